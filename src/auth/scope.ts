import { type Constraint, matchesConstraint } from '../composer/constraint.ts'

/** Who is asking, whatever transport the token came by. */
export interface Caller {
  /** Id of the token; null for the one from the environment and for the local socket. */
  readonly tokenId: string | null
  /** What the audit calls it: the token's id, `environment` or `local`. */
  readonly actor: string
  readonly permissions: 'readonly' | 'write'
  /** Requests per hour; 0 for no limit, null for the default of its permissions. */
  readonly rateLimit: number | null
  readonly scope: Scope
}

/** Which packages and versions a token covers. */
export interface Scope {
  /** Starts of full package names, lower-case. */
  readonly prefixes: readonly string[]
  /** Single packages by lower-case name, with the constraint that limits their versions or null for all of them. */
  readonly packages: ReadonlyMap<string, Constraint | null>
  /** Versions released after this are not seen, Unix seconds; null for no end. */
  readonly updatesUntil: number | null
  /** Equal for scopes that see the same; part of the key of everything rendered for a scope. */
  readonly key: string
}

/** What of a version decides whether it is seen. */
export interface ScopedVersion {
  readonly versionNormalized: string
  /** Normalised version that a branch also counts as, or null. */
  readonly alias: string | null
  /** Unix seconds. */
  readonly releasedAt: number
}

/** The scope that covers everything. */
export const EVERYTHING: Scope = { prefixes: [], packages: new Map(), updatesUntil: null, key: '' }

/** True when every package is covered, with or without an end of updates. */
export function coversAllPackages(scope: Scope): boolean {
  return scope.prefixes.length === 0 && scope.packages.size === 0
}

/** True when the package is covered. `name` is a full lower-case name. */
export function maySee(scope: Scope, name: string): boolean {
  return coversAllPackages(scope) || scope.packages.has(name) || insidePrefixes(scope, name)
}

/** True when something of the vendor is covered. */
export function maySeeVendor(scope: Scope, vendor: string): boolean {
  const start = `${vendor}/`
  const reaches = (text: string) => text.startsWith(start)
  return coversAllPackages(scope) || scope.prefixes.some(reaches) || [...scope.packages.keys()].some(reaches)
}

/**
 * Why the scope does not cover a version of a package, as a sentence, or null when it does. A constraint on a single
 * package holds even where a prefix covers it too; a branch satisfies it by its name or by its branch alias.
 */
export function refusalOf(scope: Scope, name: string, version: ScopedVersion): string | null {
  if (!maySee(scope, name)) return 'The package is outside allowed_package_prefixes and allowed_packages.'
  const constraint = scope.packages.get(name) ?? null
  if (constraint !== null && !satisfies(constraint, version))
    return 'The version is outside the constraint of allowed_packages.'
  if (scope.updatesUntil !== null && version.releasedAt > scope.updatesUntil)
    return 'The version was released after updates_until.'
  return null
}

/** True when versions of this package have to be looked at one by one. */
export function limitsVersions(scope: Scope, name: string): boolean {
  return scope.updatesUntil !== null || (scope.packages.get(name) ?? null) !== null
}

/** True when the caller may do everything. */
export function isUnrestricted(caller: Caller): boolean {
  return caller.permissions === 'write' && coversAllPackages(caller.scope) && caller.scope.updatesUntil === null
}

/**
 * True when `inner` lies inside `outer`: what a restricted token may hand on. A constraint is not compared with another
 * one: a package that is limited in `outer` can only be handed on with the very same limit.
 */
export function contains(outer: Scope, inner: Scope): boolean {
  if (outer.updatesUntil !== null && (inner.updatesUntil === null || inner.updatesUntil > outer.updatesUntil))
    return false
  if (coversAllPackages(outer)) return true
  if (coversAllPackages(inner)) return false
  const prefixesFit = inner.prefixes.every((prefix) => insidePrefixes(outer, prefix) && !limitedBelow(outer, prefix))
  return prefixesFit && [...inner.packages].every(([name, constraint]) => mayHandOn(outer, name, constraint))
}

function mayHandOn(outer: Scope, name: string, constraint: Constraint | null): boolean {
  if (!maySee(outer, name)) return false
  const limit = outer.packages.get(name) ?? null
  return limit === null || JSON.stringify(limit) === JSON.stringify(constraint)
}

function limitedBelow(outer: Scope, prefix: string): boolean {
  return [...outer.packages].some(([name, limit]) => limit !== null && name.startsWith(prefix))
}

function insidePrefixes(scope: Scope, text: string): boolean {
  return scope.prefixes.some((prefix) => text.startsWith(prefix))
}

function satisfies(constraint: Constraint, version: ScopedVersion): boolean {
  return (
    matchesConstraint(constraint, version.versionNormalized) ||
    (version.alias !== null && matchesConstraint(constraint, version.alias))
  )
}
