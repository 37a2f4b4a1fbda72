import { messageOf } from '../errors.ts'
import { jsonValue, type RawFields } from './json.ts'
import { type Manifest, manifestSummary, manifestTime, readManifest, servedFields } from './manifest.ts'
import { linksToOwnVersion, manifestProblem } from './manifest-rules.ts'
import { atOnce } from './steps.ts'

/** The problem of a commit without composer.json at its root. */
export const NO_MANIFEST = 'There is no composer.json.'

/** A composer.json of a commit, as a source delivered it. */
export interface CommitManifest {
  /** Its directory, without slashes at the ends; empty or absent for the root. */
  path?: string
  /** When it was committed, Unix seconds. */
  committedAt: number
  /** The bytes of composer.json; null when there is none. */
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

/** What a commit has in one directory. */
export interface DirectoryReading {
  readonly path: string
  /** Unix seconds; 0 for a commit that was not delivered. */
  readonly committedAt: number
  readonly reading: CommitReading
}

/** By commit: the composer.json at its root, or those of several directories in their order. */
export type CommitManifests = ReadonlyMap<string, CommitManifest | readonly CommitManifest[]>

/** Reads the composer.json files of commits, each distinct file once. */
export class CommitReader {
  readonly #manifests: CommitManifests
  readonly #readings = new Map<string | Uint8Array, CommitReading>()

  constructor(manifests: CommitManifests) {
    this.#manifests = manifests
  }

  /** At least one, which says why when there is nothing to read; in small steps. */
  *read(commit: string): Generator<void, DirectoryReading[]> {
    const found = this.#manifests.get(commit)
    if (found === undefined) return [nothing('The commit was not read.')]
    const readings: DirectoryReading[] = []
    for (const manifest of [found].flat()) {
      const { path = '', committedAt } = manifest
      readings.push({ path, committedAt, reading: yield* this.#readingOf(manifest) })
      yield
    }
    return readings
  }

  *#readingOf({ content, problem, blob }: CommitManifest): Generator<void, CommitReading> {
    if (problem !== undefined) return { problem }
    if (content === null) return { problem: NO_MANIFEST }
    const key = blob ?? content
    const known = this.#readings.get(key)
    if (known !== undefined) return known
    const reading = yield* readingSteps(content)
    this.#readings.set(key, reading)
    return reading
  }
}

function nothing(problem: string): DirectoryReading {
  return { path: '', committedAt: 0, reading: { problem } }
}

/** Reads the bytes of a composer.json with everything that a version takes from it. */
export function readFile(content: Uint8Array): CommitReading {
  return atOnce(readingSteps(content))
}

function* readingSteps(content: Uint8Array): Generator<void, CommitReading> {
  let manifest: Manifest
  try {
    manifest = readManifest(content)
  } catch (error) {
    return { problem: `composer.json cannot be read: ${messageOf(error)}.` }
  }
  yield
  const [served, summary] = [servedFields(manifest), manifestSummary(manifest)]
  yield
  return {
    file: {
      manifest,
      served,
      summary,
      time: manifestTime(manifest),
      extra: jsonValue(manifest.fields.get('extra')),
      linksToOwnVersion: linksToOwnVersion(manifest.fields),
      clientProblem: yield* manifestProblem(manifest.fields),
    },
  }
}
