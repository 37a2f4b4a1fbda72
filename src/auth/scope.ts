/** Who is asking, whatever transport the token came by. */
export interface Caller {
  /** Id of the token; null for the one from the environment and for the local socket. */
  readonly tokenId: string | null
  readonly permissions: 'readonly' | 'write'
  /** Starts of full package names, lower-case; empty for all packages. */
  readonly prefixes: readonly string[]
  /** Changes whenever what this caller may see may have changed; part of validators of per-caller documents. */
  readonly scopeRevision: number
}

/** True when the caller may see the package. `name` is a full lower-case name. */
export function maySee(caller: Caller, name: string): boolean {
  return caller.prefixes.length === 0 || caller.prefixes.some((prefix) => name.startsWith(prefix))
}

/** True when the caller may see something of the vendor: a prefix reaches into `vendor/`. */
export function maySeeVendor(caller: Caller, vendor: string): boolean {
  return caller.prefixes.length === 0 || caller.prefixes.some((prefix) => prefix.startsWith(`${vendor}/`))
}

/** True when the caller may do everything. */
export function isUnrestricted(caller: Caller): boolean {
  return caller.permissions === 'write' && caller.prefixes.length === 0
}

/** True when every prefix of `inner` lies inside one of the caller's: what it may hand on. */
export function covers(caller: Caller, inner: readonly string[]): boolean {
  if (caller.prefixes.length === 0) return true
  return inner.length > 0 && inner.every((prefix) => maySee(caller, prefix))
}
