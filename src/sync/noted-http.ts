import { hostPlace } from '../sources/host-place.ts'
import { parseBudget } from '../sources/hosts/budget.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { HostBudgets } from './host-budgets.ts'
import type { JobPlace } from './job-place.ts'

/**
 * `http` for one repository or owner: what answers of `server` (`host:port`) say of the rate limit is noted for `place`.
 * `now` gives Unix seconds.
 */
export function notedHttp(
  http: UpstreamHttp,
  { budgets, now }: { readonly budgets: HostBudgets; readonly now: () => number },
  place: JobPlace,
  server: string,
): UpstreamHttp {
  return {
    ...http,
    async send(request, credentials) {
      const response = await http.send(request, credentials)
      if (hostPlace(response.url) === server) budgets.note(place, parseBudget(response.headers, now()))
      return response
    },
  }
}

/**
 * The place of a host's API: hosts count requests to it apart from git, so a limit of the one holds up nothing of the
 * other. No job has this place, for its host is no host.
 */
export function apiPlace({ credential }: JobPlace, server: string): JobPlace {
  return { host: `${server}/api`, credential }
}
