import type { RawFields } from '../composer/json.ts'
import { expandVersions } from '../composer/minify.ts'
import type { UpstreamDocument } from './upstream.ts'
import { type VersionFacts, versionFacts } from './version-facts.ts'

/** A version with all of its fields, and what they say. */
export interface CompleteVersion {
  readonly fields: RawFields
  readonly facts: VersionFacts
}

/** What was expanded of documents that are still in use: doing it again for each reader would cost more than keeping it. */
const expanded = new WeakMap<UpstreamDocument, readonly CompleteVersion[]>()

/** The versions of a document, each complete. */
export function completeVersions(document: UpstreamDocument): readonly CompleteVersion[] {
  const known = expanded.get(document)
  if (known) return known
  const complete = document.minified ? expandVersions(document.versions) : document.versions
  const versions = complete.map((fields) => ({ fields, facts: versionFacts(fields) }))
  expanded.set(document, versions)
  return versions
}
