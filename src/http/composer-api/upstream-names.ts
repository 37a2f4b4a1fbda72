import { coversAllPackages, maySee, type Scope } from '../../auth/scope.ts'
import { matchesAny } from '../../composer/name-pattern.ts'
import { mayBeAsked } from '../../mirror/allowed-names.ts'
import type { UpstreamSet } from '../../mirror/upstreams.ts'

/** Names and patterns of names, as the root document tells them. */
export interface AvailableNames {
  readonly names: readonly string[]
  readonly patterns: readonly string[]
}

type Offer = ReturnType<UpstreamSet['offers']>[number]

/**
 * What may be had from upstreams: the names that they say they have and may be asked for, and patterns where they do
 * not say. `claims` tells a vendor whose names are answered here alone.
 */
export function upstreamNames(offers: readonly Offer[], claims: (vendor: string) => boolean): AvailableNames {
  const names = new Set<string>()
  const patterns = new Set<string>()
  for (const { upstream, offered } of offers) {
    const { allow, deny } = upstream
    for (const name of offered.names) if (mayBeAsked(upstream, name) && !claims(vendorOf(name))) names.add(name)
    for (const pattern of patternsOf(offered.patterns, allow)) if (!deny.includes(pattern)) patterns.add(pattern)
  }
  return { names: [...names].sort(), patterns: [...patterns].sort() }
}

function patternsOf(offered: readonly string[] | null, allow: readonly string[]): readonly string[] {
  if (offered === null) return allow.length > 0 ? allow : ['*']
  return offered.length > 0 && allow.length > 0 ? allow : offered
}

/** The same without single names: patterns of their vendors in their place. */
export function byVendor({ names, patterns }: AvailableNames): AvailableNames {
  return { names: [], patterns: [...new Set([...patterns, ...names.map((name) => `${vendorOf(name)}/*`)])].sort() }
}

/** What of it a scope covers. Neither a name nor a pattern reaches beyond the scope. */
export function withinScope(scope: Scope, available: AvailableNames): AvailableNames {
  if (coversAllPackages(scope)) return available
  const single = [...scope.packages.keys()].filter((name) => matchesAny(available.patterns, name))
  const narrowed = scope.prefixes.flatMap((prefix) =>
    available.patterns.flatMap((pattern) => narrower(pattern, prefix) ?? []),
  )
  return {
    names: [...new Set([...available.names.filter((name) => maySee(scope, name)), ...single])].sort(),
    patterns: [...new Set(narrowed)].sort(),
  }
}

/** A pattern of names that begin with the prefix and match the pattern, perhaps of a few more of the prefix; null for none. */
function narrower(pattern: string, prefix: string): string | null {
  const star = pattern.indexOf('*')
  const start = star === -1 ? pattern : pattern.slice(0, star)
  if (start.startsWith(prefix)) return pattern
  return star !== -1 && prefix.startsWith(start) ? `${prefix}*` : null
}

function vendorOf(name: string): string {
  return name.slice(0, name.indexOf('/'))
}
