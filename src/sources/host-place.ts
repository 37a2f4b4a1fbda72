import { parseGitUrl } from '../git/url.ts'

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** The server that an address is of, as `host:port` in lower case; empty for what is on this machine or no address. */
export function hostPlace(url: string): string {
  if (/^https?:/i.test(url)) return URL.canParse(url) ? webPlace(new URL(url)) : ''
  try {
    const parsed = parseGitUrl(url)
    return parsed.kind === 'ssh' ? `${parsed.host.toLowerCase()}:${parsed.port ?? 22}` : ''
  } catch {
    // The label of a repository that takes uploads.
    return ''
  }
}

function webPlace(url: URL): string {
  return `${url.hostname}:${url.port === '' ? PORTS[url.protocol] : url.port}`
}
