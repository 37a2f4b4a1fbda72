import { matchesAny } from '../composer/name-pattern.ts'
import type { Upstream } from './upstream.ts'

/** True when the settings of an upstream let it be asked for a lower-case name. */
export function mayBeAsked({ allow, deny }: Upstream, name: string): boolean {
  return (allow.length === 0 || matchesAny(allow, name)) && !matchesAny(deny, name)
}
