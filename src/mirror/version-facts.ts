import { branchAlias } from '../composer/branch-alias.ts'
import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { distId, readUpstreamDist, type UpstreamDist } from './dist-address.ts'

/** What of a version of an upstream decides who may see it, and since when it is known. Times are Unix seconds. */
export interface VersionFacts {
  /** As its author wrote it. */
  readonly version: string
  readonly versionNormalized: string
  /** Normalised version that a branch also counts as, or null. */
  readonly alias: string | null
  /** When its registry says it was published, else when its author says it was made; null when neither does. */
  readonly releasedAt: number | null
  /** When its registry first saw it; null of a branch, which is another thing each time it moves. */
  readonly publishedAt: number | null
  readonly dist: UpstreamDist | null
  /** Equal for the same files under the same version only: a tag that was moved is something new. */
  readonly identity: string
}

/** Reads the facts of a complete version. */
export function versionFacts(fields: RawFields): VersionFacts {
  const text = (key: string) => String(jsonValue(fields.get(key)) ?? '')
  const version = text('version')
  const versionNormalized = text('version_normalized')
  const isBranch = versionNormalized.startsWith('dev-') || versionNormalized.endsWith('-dev')
  const publishedAt = isBranch ? null : secondsOf(text('published-time'))
  const dist = readUpstreamDist(fields.get('dist'))
  const source = dist === null ? asObject(jsonValue(fields.get('source'))) : null
  const content = dist === null ? String(source?.reference ?? '') : distId(dist)
  return {
    version,
    versionNormalized,
    alias: aliasOf(fields, version),
    releasedAt: publishedAt ?? secondsOf(text('time')),
    publishedAt,
    dist,
    identity: `${versionNormalized} ${content}`,
  }
}

function aliasOf(fields: RawFields, version: string): string | null {
  try {
    const defaultBranch = fields.get('default-branch') === 'true'
    return branchAlias({ version, defaultBranch, extra: jsonValue(fields.get('extra')) })
  } catch {
    // A branch whose alias cannot be read has none; Composer would not take it at all.
    return null
  }
}

function secondsOf(time: string): number | null {
  const milliseconds = time === '' ? Number.NaN : Date.parse(time)
  return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1_000)
}
