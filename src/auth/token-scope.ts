import { createHash } from 'node:crypto'
import { type Constraint, parseConstraint } from '../composer/constraint.ts'
import type { AllowedPackage } from '../store/schema-access.ts'
import { EVERYTHING, type Scope } from './scope.ts'

/** The columns of a token that make its scope. */
export interface StoredScope {
  readonly allowedPackagePrefixes: readonly string[]
  readonly allowedPackages: readonly AllowedPackage[]
  readonly updatesUntil: number | null
}

/** The scope that stored columns mean. Throws AppError('invalid') for a constraint that cannot be read. */
export function scopeOf(stored: StoredScope): Scope {
  const prefixes = stored.allowedPackagePrefixes.map((prefix) => prefix.toLowerCase()).sort()
  const packages = new Map<string, Constraint | null>()
  for (const { name, constraint } of stored.allowedPackages) {
    packages.set(name.toLowerCase(), constraint === null ? null : parseConstraint(constraint))
  }
  if (prefixes.length === 0 && packages.size === 0 && stored.updatesUntil === null) return EVERYTHING
  const limits = stored.allowedPackages.map(({ name, constraint }) => [name.toLowerCase(), constraint]).sort()
  const text = JSON.stringify([prefixes, limits, stored.updatesUntil])
  return {
    prefixes,
    packages,
    updatesUntil: stored.updatesUntil,
    key: createHash('sha256').update(text).digest('base64url'),
  }
}
