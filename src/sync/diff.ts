import { branchAlias } from '../composer/branch-alias.ts'
import { jsonValue } from '../composer/json.ts'
import type { PackageVersion, RefIssue as VersionIssue } from '../composer/repository-versions.ts'
import { latestVersion } from '../composer/version-order.ts'
import {
  type PackageChange,
  type PackageSummary,
  publishedKey,
  type StoredPackage,
  type TagMove,
  type VersionDraft,
  type VersionRow,
} from '../store/sync-state.ts'

/** What a sync compares. */
export interface DiffInput {
  readonly offered: readonly PackageVersion[]
  readonly stored: readonly StoredPackage[]
  /** Names that belong to another repository, with its id. */
  readonly ownedElsewhere: ReadonlyMap<string, string>
  /** composer.json blob of a version. */
  readonly blobOf: (version: PackageVersion) => string
  /** The directory of references that were published before, by `publishedKey`; what is absent is not known to have another. */
  readonly publishedPaths: ReadonlyMap<string, string>
  /** Full names of refs whose commits the source has not given yet: what they offered before stays for now. */
  readonly waiting: ReadonlySet<string>
  /** Whether the host keeps the repository as it is: its packages are abandoned unless they say otherwise. */
  readonly archived?: boolean
}

/** What to write, and the refs that are refused. */
export interface Diff {
  readonly changes: readonly PackageChange[]
  readonly issues: readonly VersionIssue[]
  /** Tags that name another commit than the one their version was published from. */
  readonly moves: readonly TagMove[]
  /** True when a name belongs to another repository: what is offered then depends on more than the refs. */
  readonly contested: boolean
}

/**
 * Offered versions against stored ones, in small steps for a caller that does other things in between. A tag that moved
 * is refused and reported, because a published version never changes; a branch moves. What is no longer offered is
 * hidden, never deleted. Packages without a change are left out.
 */
export function* diffSteps(input: DiffInput): Generator<void, Diff> {
  const issues: VersionIssue[] = []
  const moves: TagMove[] = []
  const stored = new Map(input.stored.map((entry) => [entry.name, entry]))
  const offered = groupByPackage(input, issues)
  const changes: PackageChange[] = []
  for (const name of new Set([...stored.keys(), ...offered.keys()])) {
    const change = yield* diffPackage(name, offered.get(name) ?? [], stored.get(name), input, { issues, moves })
    if (change) changes.push(change)
  }
  return { changes, issues, moves, contested: input.ownedElsewhere.size > 0 }
}

function groupByPackage(input: DiffInput, issues: VersionIssue[]): Map<string, PackageVersion[]> {
  const groups = new Map<string, PackageVersion[]>()
  for (const version of input.offered) {
    const owner = input.ownedElsewhere.get(version.packageName)
    if (owner !== undefined) {
      issues.push({
        ...placeOf(version),
        reason: `The package name ${version.packageName} is owned by repository ${owner}.`,
      })
      continue
    }
    const group = groups.get(version.packageName)
    if (group) group.push(version)
    else groups.set(version.packageName, [version])
  }
  return groups
}

function* diffPackage(
  name: string,
  offered: readonly PackageVersion[],
  stored: StoredPackage | undefined,
  { blobOf, waiting, publishedPaths, archived = false }: DiffInput,
  { issues, moves }: { issues: VersionIssue[]; moves: TagMove[] },
): Generator<void, PackageChange | null> {
  const rows = new Map((stored?.versions ?? []).map((row) => [row.versionNormalized, row]))
  const save: VersionDraft[] = []
  const kept: PackageVersion[] = []
  for (const version of offered) {
    yield
    const row = rows.get(version.versionNormalized)
    rows.delete(version.versionNormalized)
    if (row && row.withdrawnAt !== null) {
      issues.push({ ...placeOf(version), reason: `Version ${row.version} was withdrawn here and stays hidden.` })
      continue
    }
    const moved =
      movedTag(row, version) ?? movedDirectory(publishedPaths.get(publishedKey(name, version.reference)), version)
    if (moved !== null) {
      issues.push({ ...placeOf(version), reason: moved })
      if (stored && row && isMoved(row, version)) moves.push(moveOf(stored, row, version))
      if (row && row.hiddenAt === null) kept.push({ ...version, version: row.version })
      continue
    }
    kept.push(version)
    const draft = draftOf(version, blobOf(version), row)
    if (!row || differs(row, draft)) save.push(draft)
  }
  const left = [...rows.values()].filter((row) => row.hiddenAt === null)
  const hide = left.filter((row) => !waiting.has(row.refName)).map((row) => row.versionNormalized)
  const incomplete = hide.length < left.length
  const summary = incomplete && stored ? stored.summary : summaryOf(kept, stored?.summary, archived)
  const isOffered = kept.length > 0 || incomplete
  const same = stored && stored.offered === isOffered && sameSummary(stored.summary, summary)
  if (same && save.length === 0 && hide.length === 0) return null
  if (!stored && !isOffered) return null
  return { name, summary, offered: isOffered, save, hide }
}

function draftOf(version: PackageVersion, blob: string, row: VersionRow | undefined): VersionDraft {
  return {
    versionNormalized: version.versionNormalized,
    version: version.version,
    stability: version.stability,
    kind: version.ref.kind,
    refName: refName(version),
    reference: version.reference,
    path: version.path,
    blob,
    defaultBranch: version.defaultBranch,
    alias: aliasOf(version),
    time: version.time,
    releasedAt: version.releasedAt,
    // Decided at the first publication of a reference and never again: lock files hold it.
    shasum: row?.reference === version.reference && row.path === version.path ? row.shasum : null,
  }
}

function differs(row: VersionRow, draft: VersionDraft): boolean {
  return row.hiddenAt !== null || (Object.keys(draft) as (keyof VersionDraft)[]).some((key) => row[key] !== draft[key])
}

function aliasOf(version: PackageVersion): string | null {
  return branchAlias({ ...version, extra: jsonValue(version.fields.get('extra')) })
}

function refName(version: PackageVersion): string {
  return `refs/${version.ref.kind === 'tag' ? 'tags' : 'heads'}/${version.ref.name}`
}

/** Where an issue belongs. */
function placeOf(version: PackageVersion): Pick<VersionIssue, 'ref' | 'path'> {
  return { ref: refName(version), path: version.path }
}

/** Why a tag is refused whose version was published before from another commit; null when it was not. */
function movedTag(row: VersionRow | undefined, version: PackageVersion): string | null {
  if (!row || !isMoved(row, version)) return null
  const from = row.reference.slice(0, 12)
  const to = version.reference.slice(0, 12)
  return `Version ${row.version} was published from commit ${from} and never changes; the tag names ${to} now. Tag a new version.`
}

function isMoved(row: VersionRow, version: PackageVersion): boolean {
  return row.kind === 'tag' && row.reference !== version.reference
}

function moveOf({ id, name }: StoredPackage, row: VersionRow, version: PackageVersion): TagMove {
  return {
    packageId: id,
    name,
    version: row.version,
    ref: refName(version),
    from: row.reference,
    to: version.reference,
  }
}

/** A commit of a package has one archive for ever, because lock files name the commit alone. */
function movedDirectory(before: string | undefined, version: PackageVersion): string | null {
  if (before === undefined || before === version.path) return null
  const place = before === '' ? 'the root of the repository' : `the directory ${before}`
  const commit = version.reference.slice(0, 12)
  return `Commit ${commit} was published as ${version.packageName} from ${place} and never changes; a new commit can move it.`
}

/** What listings show: of the default branch when it is there, as its author means it now. */
function summaryOf(
  versions: readonly PackageVersion[],
  before: PackageSummary | undefined,
  archived: boolean,
): PackageSummary {
  const latest = latestVersion(versions)
  const shown = versions.find((version) => version.defaultBranch) ?? latest
  if (!shown) return { ...(before ?? EMPTY), latestVersion: null }
  return {
    prettyName: shown.prettyName,
    description: shown.description === null ? null : storable(shown.description),
    type: storable(shown.type),
    abandoned: typeof shown.abandoned === 'string' ? storable(shown.abandoned) : (shown.abandoned ?? archived),
    latestVersion: latest?.version ?? null,
  }
}

/** The text as a database gives it back, without which it would seem changed at every sync. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

const EMPTY: PackageSummary = {
  prettyName: '',
  description: null,
  type: 'library',
  abandoned: false,
  latestVersion: null,
}

function sameSummary(left: PackageSummary, right: PackageSummary): boolean {
  return (Object.keys(EMPTY) as (keyof PackageSummary)[]).every((key) => left[key] === right[key])
}
