import type { RateLimits } from '../auth/rate-limits.ts'
import type { TokenVerifier } from '../auth/tokens.ts'
import type { Foundation } from '../foundation.ts'
import type { OpenMirror } from '../mirror/open-mirror.ts'
import type { UpstreamSet } from '../mirror/upstreams.ts'
import type { PackageCatalog } from '../store/catalog.ts'
import type { PolicyCatalog } from '../store/policy-catalog.ts'
import type { HostBudgets } from '../sync/host-budgets.ts'

/** What most of the program is made of, above its foundation. */
export interface Parts extends Foundation {
  readonly catalog: PackageCatalog
  readonly policies: PolicyCatalog
  readonly verifier: TokenVerifier
  readonly limits: RateLimits
  readonly mirror: OpenMirror
  readonly upstreamSet: UpstreamSet
  readonly budgets: HostBudgets
}
