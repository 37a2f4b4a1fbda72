import { versionComparer } from './version-compare.ts'
import type { Stability } from './version-parser.ts'

/** What the order of versions depends on. */
export interface OrderedVersion {
  /** Pretty form. */
  readonly version: string
  readonly versionNormalized: string
  readonly stability: Stability
  readonly defaultBranch: boolean
  /** Unix seconds. */
  readonly releasedAt: number
}

/**
 * Newest first, as in Packagist's files: the default branch unless its name is a number, numbers downwards, other
 * branches from the youngest. The same list in any order gives the same result.
 */
export function orderVersions<T extends OrderedVersion>(versions: readonly T[]): T[] {
  const compare = versionComparer()
  return [...versions].sort((left, right) => compareNewestFirst(left, right, compare))
}

/**
 * The version that a listing shows: the highest stable, else the highest that is not a branch, else the default branch,
 * else the first in order; undefined only for an empty list.
 */
export function latestVersion<T extends OrderedVersion>(versions: readonly T[]): T | undefined {
  const ordered = orderVersions(versions)
  return (
    ordered.find((version) => version.stability === 'stable') ??
    ordered.find((version) => version.stability !== 'dev') ??
    ordered.find((version) => version.defaultBranch) ??
    ordered[0]
  )
}

function compareNewestFirst(
  left: OrderedVersion,
  right: OrderedVersion,
  compareVersions: ReturnType<typeof versionComparer>,
): number {
  const group = groupOf(left) - groupOf(right)
  if (group !== 0) return group
  const numbers = isNumeric(left) ? compareVersions(right.versionNormalized, left.versionNormalized) : 0
  return numbers || right.releasedAt - left.releasedAt || compareText(left.version, right.version)
}

function groupOf(version: OrderedVersion): number {
  if (isNumeric(version)) return 1
  return version.defaultBranch ? 0 : 2
}

function isNumeric(version: OrderedVersion): boolean {
  return !version.versionNormalized.startsWith('dev-')
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}
