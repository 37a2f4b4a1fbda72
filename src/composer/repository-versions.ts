import { messageOf } from '../errors.ts'
import { branchAlias } from './branch-alias.ts'
import { type Refusal, readBranch, readTag, type VersionCandidate } from './candidate.ts'
import { type CommitManifests, CommitReader, type DirectoryReading, type ReadableManifest } from './commit-reader.ts'
import type { RawFields } from './json.ts'
import { constraintProblem } from './manifest-rules.ts'
import { packageNameProblem } from './package-name.ts'
import { lowerAscii } from './php-text.ts'
import { fullRefName, type OfferedRef, refsInOrder } from './ref-order.ts'
import { atOnce } from './steps.ts'
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
  /** The directory of the package in it; empty for the root. */
  path: string
  /** RFC 3339, UTC. */
  time: string
  /** The same in Unix seconds. */
  releasedAt: number
  defaultBranch: boolean
  /** Fields of composer.json to serve, as written; shared by versions with the same file. */
  fields: RawFields
  type: string
  description: string | null
  /** True, or the name of the package to use instead; null when composer.json does not say. */
  abandoned: boolean | string | null
}

/** A ref that gives no version, or not of the package in one of its directories, and why, in one sentence. */
export interface RefIssue {
  /** Full ref name. */
  ref: string
  /** The directory; absent for the root, and when it is about the ref as a whole. */
  path?: string
  reason: string
}

/** Everything a repository offers. */
export interface RepositoryInput {
  refs: readonly OfferedRef[]
  /** Short name, or null when there is none. */
  defaultBranch: string | null
  /** By commit, for every offered one. */
  manifests: CommitManifests
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
  return atOnce(versionSteps(input))
}

/** The same in small steps, for a caller that does other things in between. */
export function* versionSteps(input: RepositoryInput): Generator<void, RepositoryVersions> {
  const list = new VersionList(input)
  yield* list.readRoot(input.refs)
  for (const ref of [...refsInOrder(input.refs, 'tag'), ...branchesInOrder(input, list)]) {
    const read = ref.kind === 'tag' ? readTag : readBranch
    const named = new Map<string, string>()
    for (const directory of yield* list.reader.read(ref.commit)) {
      const candidate = read(ref.name, directory.reading)
      list.add({ ref, directory, candidate, named })
      yield
      if ('isOfRef' in candidate) break
    }
  }
  return { versions: list.versions, issues: list.issues }
}

/** The default branch comes first, so that it wins over a branch with the same normalized version. */
function branchesInOrder(input: RepositoryInput, list: VersionList): OfferedRef[] {
  const branches = refsInOrder(input.refs, 'branch')
  const first = list.root
  return first === undefined ? branches : [first, ...branches.filter((ref) => ref !== first)]
}

/** What one directory of one ref gives. */
interface Offer {
  readonly ref: OfferedRef
  readonly directory: DirectoryReading
  readonly candidate: VersionCandidate | Refusal
  /** Packages of this ref so far, with the directory of each. */
  readonly named: Map<string, string>
}

class VersionList {
  readonly versions: PackageVersion[] = []
  readonly issues: RefIssue[] = []
  readonly reader: CommitReader
  /** The default branch, when it has a composer.json. */
  root: OfferedRef | undefined
  /** The names in the composer.json files of the default branch, by directory, which rename every version. */
  readonly #rootNames = new Map<string, unknown>()
  readonly #defaultBranch: string | null
  readonly #taken = new Map<string, string>()

  constructor({ defaultBranch, manifests }: Pick<RepositoryInput, 'defaultBranch' | 'manifests'>) {
    this.reader = new CommitReader(manifests)
    this.#defaultBranch = defaultBranch
  }

  /** Before anything is added. */
  *readRoot(refs: readonly OfferedRef[]): Generator<void, void> {
    const root = refs.find((ref) => ref.kind === 'branch' && ref.name === this.#defaultBranch)
    for (const { path, reading } of root === undefined ? [] : yield* this.reader.read(root.commit)) {
      if (!('file' in reading)) continue
      this.root = root
      this.#rootNames.set(path, reading.file.manifest.name)
    }
  }

  /** Adds a version unless there is a reason against it, which is then noted. */
  add(offer: Offer): void {
    const { ref, directory, candidate } = offer
    const version = 'problem' in candidate ? candidate : this.#versionOf(offer, candidate)
    if (!('problem' in version)) this.versions.push(version)
    else if (directory.path === '' || version.isOfRef) {
      this.issues.push({ ref: fullRefName(ref), reason: version.problem })
    } else this.issues.push({ ref: fullRefName(ref), path: directory.path, reason: version.problem })
  }

  #versionOf({ ref, directory, named }: Offer, candidate: VersionCandidate): PackageVersion | Refusal {
    const { file } = candidate
    const { path, committedAt } = directory
    const name = this.#rootNames.get(path) ?? file.manifest.name
    if (name === undefined) return { problem: 'composer.json has no name.' }
    const nameProblem = typeof name === 'string' ? packageNameProblem(name) : 'its name is no string'
    if (nameProblem !== null || typeof name !== 'string') return { problem: `composer.json: ${nameProblem}.` }
    const packageName = lowerAscii(name)
    const other = named.get(packageName)
    if (other !== undefined) return { problem: `The package ${packageName} is ${shownDirectory(other)} already.` }
    // Also when it turns out to be useless: another directory must not become the package for one version.
    named.set(packageName, path)
    const defaultBranch = ref.kind === 'branch' && ref.name === this.#defaultBranch
    const problem =
      this.#takenProblem(packageName, ref, candidate) ??
      file.clientProblem ??
      versionProblem(candidate.version, defaultBranch, file)
    if (problem !== null) return { problem: `${problem}.` }
    this.#take(packageName, candidate)
    const releasedAt = calendarSeconds(file.time ?? committedAt)
    return {
      packageName,
      prettyName: name,
      version: candidate.version,
      versionNormalized: candidate.normalized,
      stability: parseStability(candidate.normalized),
      ref,
      reference: ref.commit,
      path,
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

/** A directory in a sentence. */
function shownDirectory(path: string): string {
  return path === '' ? 'at the root' : `in ${path}`
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
