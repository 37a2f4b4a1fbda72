import type { RawFields } from './json.ts'

/** What an entry in a metadata file is made of. */
export interface EntryParts {
  readonly prettyName: string
  readonly version: string
  readonly versionNormalized: string
  /** RFC 3339. */
  readonly time: string
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
  if (locations.dist !== undefined) entry.set('dist', locations.dist)
  if (locations.source !== undefined) entry.set('source', locations.source)
  entry.set('time', JSON.stringify(version.time))
  if (version.defaultBranch) entry.set('default-branch', 'true')
  return entry
}
