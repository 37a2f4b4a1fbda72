import { messageOf } from '../errors.ts'
import { jsonValue, type RawFields } from './json.ts'
import { type Manifest, manifestSummary, manifestTime, readManifest, servedFields } from './manifest.ts'
import { linksToOwnVersion, manifestProblem } from './manifest-rules.ts'

/** composer.json of one commit, as a source delivered it. */
export interface CommitManifest {
  /** When it was committed, Unix seconds. */
  committedAt: number
  /** The bytes of composer.json; null when the commit has none. */
  content: Uint8Array | null
  /** Its blob: commits that share one are read once. Without it, commits that share `content` itself are. */
  blob?: string
  /** Why the commit cannot be used, in one sentence: too large, not a commit. */
  problem?: string
}

/** A composer.json with all that versions take from it. */
export interface ReadableManifest {
  readonly manifest: Manifest
  /** What is served of it. */
  readonly served: RawFields
  readonly summary: ReturnType<typeof manifestSummary>
  /** Its own release time, Unix seconds. */
  readonly time: number | null
  readonly extra: unknown
  readonly linksToOwnVersion: boolean
  /** Why clients cannot use it, or null. */
  readonly clientProblem: string | null
}

/** What a commit has: a composer.json that is JSON, or a sentence saying why there is none to read. */
export type CommitReading = { readonly file: ReadableManifest } | { readonly problem: string }

/** Reads the composer.json of commits, each distinct file once. */
export class CommitReader {
  readonly #manifests: ReadonlyMap<string, CommitManifest>
  readonly #readings = new Map<string | Uint8Array, CommitReading>()

  constructor(manifests: ReadonlyMap<string, CommitManifest>) {
    this.#manifests = manifests
  }

  read(commit: string): CommitReading {
    const delivered = this.#manifests.get(commit)
    if (delivered === undefined) return { problem: 'The commit was not read.' }
    if (delivered.problem !== undefined) return { problem: delivered.problem }
    if (delivered.content === null) return { problem: 'There is no composer.json.' }
    const key = delivered.blob ?? delivered.content
    const known = this.#readings.get(key)
    if (known !== undefined) return known
    const reading = readFile(delivered.content)
    this.#readings.set(key, reading)
    return reading
  }

  /** Unix seconds; 0 for a commit that was not delivered. */
  committedAt(commit: string): number {
    return this.#manifests.get(commit)?.committedAt ?? 0
  }
}

/** Reads the bytes of a composer.json with everything that a version takes from it. */
export function readFile(content: Uint8Array): CommitReading {
  let manifest: Manifest
  try {
    manifest = readManifest(content)
  } catch (error) {
    return { problem: `composer.json cannot be read: ${messageOf(error)}.` }
  }
  return {
    file: {
      manifest,
      served: servedFields(manifest),
      summary: manifestSummary(manifest),
      time: manifestTime(manifest),
      extra: jsonValue(manifest.fields.get('extra')),
      linksToOwnVersion: linksToOwnVersion(manifest.fields),
      clientProblem: manifestProblem(manifest.fields),
    },
  }
}
