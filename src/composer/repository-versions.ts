import { messageOf } from '../errors.ts'
import { branchAlias } from './branch-alias.ts'
import { readBranch, readTag, type VersionCandidate } from './candidate.ts'
import { type CommitManifest, CommitReader, type ReadableManifest } from './commit-reader.ts'
import type { RawFields } from './json.ts'
import { constraintProblem } from './manifest-rules.ts'
import { packageNameProblem } from './package-name.ts'
import { lowerAscii } from './php-text.ts'
import { fullRefName, type OfferedRef, refsInOrder } from './ref-order.ts'
import { comparisonKey } from './version-compare.ts'
import { normalizeVersion, parseStability, type Stability } from './version-parser.ts'

export type { CommitManifest } from './commit-reader.ts'
export type { OfferedRef } from './ref-order.ts'

/** One version of a package, made from a tag or a branch. */
export interface PackageVersion {
  /** Lower-case; the identity of the package. */
  packageName: string
  /** As its author writes it. */
  prettyName: string
  /** Pretty form: `v1.2.0`, `dev-main`. */
  version: string
  versionNormalized: string
  stability: Stability
  ref: OfferedRef
  /** The commit. */
  reference: string
  /** RFC 3339, UTC. */
  time: string
  /** The same in Unix seconds. */
  releasedAt: number
  defaultBranch: boolean
  /** Fields of composer.json to serve, as written; shared by versions with the same file. */
  fields: RawFields
  type: string
  description: string | null
  /** True, or the name of the package to use instead. */
  abandoned: boolean | string
}

/** A ref that gives no version, and why, in one sentence. */
export interface RefIssue {
  /** Full ref name. */
  ref: string
  reason: string
}

/** Everything a repository offers. */
export interface RepositoryInput {
  refs: readonly OfferedRef[]
  /** Short name, or null when there is none. */
  defaultBranch: string | null
  /** By commit, for every offered one. */
  manifests: ReadonlyMap<string, CommitManifest>
}

/** What a repository means: its versions, and the refs that mean none. */
export interface RepositoryVersions {
  versions: PackageVersion[]
  issues: RefIssue[]
}

/** Latest time that four digits of a year can write, in Unix seconds. */
const LAST_SECOND = 253_402_300_799

/**
 * The versions that a git repository means, tags first, and the refs that mean none. Depends on nothing but its input.
 * Equals Composer's own list over the same refs, except that a normalized version is listed once, and that versions on
 * which clients would abort are refused. Composer: `VcsRepository::initialize`.
 */
export function repositoryVersions(input: RepositoryInput): RepositoryVersions {
  const steps = versionSteps(input)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** The same in steps of one ref each, for a caller that does other things in between. */
export function* versionSteps(input: RepositoryInput): Generator<void, RepositoryVersions> {
  const list = new VersionList(input)
  for (const ref of refsInOrder(input.refs, 'tag')) {
    list.add(ref, readTag(ref.name, list.reader.read(ref.commit)))
    yield
  }
  for (const ref of branchesInOrder(input, list)) {
    list.add(ref, readBranch(ref.name, list.reader.read(ref.commit)))
    yield
  }
  return { versions: list.versions, issues: list.issues }
}

/** The default branch comes first, so that it wins over a branch with the same normalized version. */
function branchesInOrder(input: RepositoryInput, list: VersionList): OfferedRef[] {
  const branches = refsInOrder(input.refs, 'branch')
  const first = list.root
  return first === undefined ? branches : [first, ...branches.filter((ref) => ref !== first)]
}

class VersionList {
  readonly versions: PackageVersion[] = []
  readonly issues: RefIssue[] = []
  readonly reader: CommitReader
  /** The default branch, when it has a composer.json. */
  readonly root: OfferedRef | undefined
  /** The name in the default branch's composer.json, which renames every version. */
  readonly #rootName: unknown
  readonly #defaultBranch: string | null
  readonly #taken = new Map<string, string>()

  constructor({ refs, defaultBranch, manifests }: RepositoryInput) {
    this.reader = new CommitReader(manifests)
    this.#defaultBranch = defaultBranch
    const root = refs.find((ref) => ref.kind === 'branch' && ref.name === defaultBranch)
    const reading = root && this.reader.read(root.commit)
    if (reading && 'file' in reading) {
      this.root = root
      this.#rootName = reading.file.manifest.name
    }
  }

  /** Adds a version unless there is a reason against it, which is then noted. */
  add(ref: OfferedRef, candidate: VersionCandidate | { problem: string }): void {
    const version = 'problem' in candidate ? candidate : this.#versionOf(ref, candidate)
    if ('problem' in version) this.issues.push({ ref: fullRefName(ref), reason: version.problem })
    else this.versions.push(version)
  }

  #versionOf(ref: OfferedRef, candidate: VersionCandidate): PackageVersion | { problem: string } {
    const { file } = candidate
    const name = this.#rootName ?? file.manifest.name
    if (name === undefined) return { problem: 'composer.json has no name.' }
    const nameProblem = typeof name === 'string' ? packageNameProblem(name) : 'its name is no string'
    if (nameProblem !== null || typeof name !== 'string') return { problem: `composer.json: ${nameProblem}.` }
    const packageName = lowerAscii(name)
    const defaultBranch = ref.kind === 'branch' && ref.name === this.#defaultBranch
    const problem =
      this.#takenProblem(packageName, ref, candidate) ??
      file.clientProblem ??
      versionProblem(candidate.version, defaultBranch, file)
    if (problem !== null) return { problem: `${problem}.` }
    this.#take(packageName, candidate)
    const releasedAt = calendarSeconds(file.time ?? this.reader.committedAt(ref.commit))
    return {
      packageName,
      prettyName: name,
      version: candidate.version,
      versionNormalized: candidate.normalized,
      stability: parseStability(candidate.normalized),
      ref,
      reference: ref.commit,
      time: rfc3339(releasedAt),
      releasedAt,
      defaultBranch,
      fields: file.served,
      ...file.summary,
    }
  }

  /** Composer looks a tag's version up among those it has, as a constraint; branches it never compares. */
  #takenProblem(packageName: string, ref: OfferedRef, { version, normalized }: VersionCandidate): string | null {
    const compared = ref.kind === 'tag' ? normalizeVersion(normalized) : null
    const other =
      this.#taken.get(`${packageName} ${normalized}`) ??
      (compared === null ? undefined : this.#taken.get(`${packageName} ${comparisonKey(compared)}`))
    return other === undefined ? null : `Version ${version} means the same as ${other}, which comes first`
  }

  #take(packageName: string, { version, normalized }: VersionCandidate): void {
    this.#taken.set(`${packageName} ${normalized}`, version)
    if (!normalized.startsWith('dev-')) this.#taken.set(`${packageName} ${comparisonKey(normalized)}`, version)
  }
}

/** Why clients abort on this version although its composer.json alone is fine. */
function versionProblem(version: string, defaultBranch: boolean, file: ReadableManifest): string | null {
  if (file.linksToOwnVersion) {
    const problem = constraintProblem(version)
    if (problem !== null) return `self.version: ${problem}`
  }
  try {
    branchAlias({ version, defaultBranch, extra: file.extra })
    return null
  } catch (error) {
    return messageOf(error)
  }
}

/** A commit may carry any number as its date; this is the nearest second between 1970 and 9999. */
export function calendarSeconds(seconds: number): number {
  return Number.isNaN(seconds) ? 0 : Math.min(Math.max(Math.trunc(seconds), 0), LAST_SECOND)
}

/** The text of a time that metadata holds, from Unix seconds. */
export function rfc3339(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}+00:00`
}
