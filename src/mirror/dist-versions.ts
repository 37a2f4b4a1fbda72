import { completeVersions } from './complete-document.ts'
import { distId, type UpstreamDist } from './dist-address.ts'
import type { MirroredDocument } from './upstream.ts'
import type { VersionFacts } from './version-facts.ts'

/** A version as far as it decides who may have its archive. `releasedAt` in Unix seconds. */
export interface DistVersion extends Pick<VersionFacts, 'version' | 'versionNormalized' | 'alias'> {
  readonly releasedAt: number
}

/** An archive that a document names, with the versions that have it. */
export interface NamedDist {
  readonly dist: UpstreamDist
  /** `dist` as the upstream wrote it. */
  readonly content: string
  readonly versions: readonly DistVersion[]
}

/** What was read of documents that are still in use. */
const read = new WeakMap<MirroredDocument, ReadonlyMap<string, NamedDist>>()

/** The archives that a document names, by what addresses here name them by. */
export function namedDists(document: MirroredDocument): ReadonlyMap<string, NamedDist> {
  const known = read.get(document)
  if (known) return known
  const found = new Map<string, NamedDist & { versions: DistVersion[] }>()
  for (const { fields, facts } of completeVersions(document)) {
    const { dist, version, versionNormalized, alias } = facts
    if (dist === null) continue
    const id = distId(dist)
    const named = found.get(id) ?? { dist, content: fields.get('dist') ?? '', versions: [] }
    // Of a version without a date nobody can say that it is older than the document.
    named.versions.push({ version, versionNormalized, alias, releasedAt: facts.releasedAt ?? document.modifiedAt })
    found.set(id, named)
  }
  read.set(document, found)
  return found
}
