import type { UpstreamHttp } from './upstream-http.ts'

/** Told of each request: the host, its status or null when there was no answer, and seconds until it began to answer. */
export type UpstreamObserver = (host: string, status: number | null, seconds: number) => void

/** The same way out, with each request told of. A request that is redirected counts once, for the host first asked. */
export function measuredHttp(http: UpstreamHttp, observe: UpstreamObserver): UpstreamHttp {
  return {
    addressOf: (host) => http.addressOf(host),
    async send(request, credentials) {
      const began = performance.now()
      const tell = (status: number | null) => observe(hostOf(request.url), status, (performance.now() - began) / 1_000)
      try {
        const response = await http.send(request, credentials)
        tell(response.status)
        return response
      } catch (error) {
        tell(null)
        throw error
      }
    },
  }
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'invalid'
}
