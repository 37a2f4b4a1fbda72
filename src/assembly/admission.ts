import { Admission } from '../auth/admission.ts'
import { FailedLogins } from '../auth/failed-logins.ts'
import { RateLimits } from '../auth/rate-limits.ts'
import type { Foundation } from '../foundation.ts'
import { clientAddressFinder } from '../http/client-address.ts'
import type { RequestFacts } from '../http/request-facts.ts'

/** What lets requests in, and how often. */
export function createAdmission({ config, now, tables }: Foundation, facts: RequestFacts) {
  const defaults = { readonly: config.rateLimitReadonly, write: config.rateLimitWrite }
  const limits = new RateLimits(tables.rateWindows, defaults, now)
  const clientAddressOf = clientAddressFinder({ trustProxy: config.trustProxy, peerOf: facts.peerOf })
  const admission = new Admission({ limits, failures: new FailedLogins(now), addressOf: clientAddressOf })
  return { limits, admission, clientAddressOf }
}
