import type { RawFields } from './json.ts'

/** What an entry in a metadata file is made of. */
export interface EntryParts {
  readonly prettyName: string
  readonly version: string
  readonly versionNormalized: string
  /** RFC 3339. */
  readonly time: string
  /** When a release was first offered here, RFC 3339; null of a branch, which is another thing each time it moves. */
  readonly publishedTime: string | null
  /** Of the package, whatever the version itself says: false, true or the name of the replacement. */
  readonly abandoned: boolean | string
  readonly defaultBranch: boolean
  /** Fields of composer.json to serve. */
  readonly fields: RawFields
}

/** Where the archive and the source of a version are; compact JSON texts, absent ones are left out. */
export interface EntryLocations {
  readonly dist?: string
  readonly source?: string
}

/** One version as it stands in a metadata file, in the order of its fields. */
export function versionEntry(version: EntryParts, locations: EntryLocations): RawFields {
  const entry = new Map<string, string>([
    ['name', JSON.stringify(version.prettyName)],
    ['version', JSON.stringify(version.version)],
    ['version_normalized', JSON.stringify(version.versionNormalized)],
    ...version.fields,
  ])
  // Clients assume it; those who read the file with other eyes should not have to.
  if (!entry.has('type')) entry.set('type', '"library"')
  // Composer reads it of each version (Packagist writes it to all).
  if (version.abandoned !== false) entry.set('abandoned', JSON.stringify(version.abandoned))
  if (locations.dist !== undefined) entry.set('dist', locations.dist)
  if (locations.source !== undefined) entry.set('source', locations.source)
  entry.set('time', JSON.stringify(version.time))
  if (version.publishedTime !== null) entry.set('published-time', JSON.stringify(version.publishedTime))
  if (version.defaultBranch) entry.set('default-branch', 'true')
  return entry
}
