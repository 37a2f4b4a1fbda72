import type { ClaimBounds, JobHold } from '../store/job-holds.ts'
import type { HostBreakers } from './host-breakers.ts'
import type { HostBudgets } from './host-budgets.ts'
import type { JobPlace } from './job-place.ts'

/**
 * Jobs of one host at a time, in this process. GitHub asks for few at once, GitLab and Codeberg are stricter; none of
 * them publishes a number for git, so these are what their clients get along with. An unchanged repository is one
 * request or two of some 0.2 s: even one at a time, five hundred are through in two minutes.
 */
const PER_HOST: Readonly<Record<string, number>> = { 'github.com': 4, 'gitlab.com': 2, 'codeberg.org': 1 }
const PER_OTHER_HOST = 4

/**
 * Jobs with one credential at a time, in this process: hosts count by credential, and it may be in use elsewhere. Five
 * hundred unchanged repositories with one token take a minute, well inside the usual interval.
 */
const PER_CREDENTIAL = 2

/** How many jobs may speak to the same host, or use the same credential, at a time, and which have to wait. */
export class ClaimLimits {
  constructor(private readonly parts: { readonly breakers: HostBreakers; readonly budgets: HostBudgets }) {}

  /** What may be claimed beside the jobs that run in this process. */
  bounds(running: Iterable<JobPlace>): ClaimBounds {
    const hosts = new Map<string, number>()
    const credentials = new Map<string, number>()
    for (const { host, credential } of running) {
      if (host !== '') hosts.set(host, (hosts.get(host) ?? 0) + 1)
      if (credential !== '') credentials.set(credential, (credentials.get(credential) ?? 0) + 1)
    }
    return {
      hosts: [...hosts].flatMap(([host, count]) => (count >= this.limitOf(host) ? [host] : [])),
      credentials: [...credentials].flatMap(([mark, count]) => (count >= PER_CREDENTIAL ? [mark] : [])),
      holds: this.holds(),
    }
  }

  /** Jobs that have to wait whatever runs. */
  holds(): JobHold[] {
    return [...this.parts.breakers.holds(), ...this.parts.budgets.holds()]
  }

  private limitOf(host: string): number {
    if (this.parts.breakers.isTried(host)) return 1
    return PER_HOST[host.replace(/:\d+$/, '')] ?? PER_OTHER_HOST
  }
}
