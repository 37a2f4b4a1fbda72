import { createHash } from 'node:crypto'
import { matchesAny, namePatterns } from '../composer/name-pattern.ts'
import { fullRefName, type OfferedRef } from '../composer/ref-order.ts'
import { type PackageVersion, type RefIssue, versionSteps } from '../composer/repository-versions.ts'
import { AppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { Pacer } from '../pacer.ts'
import { manifestGlobs } from '../sources/manifest-paths.ts'
import type { RefList, Source } from '../sources/source.ts'
import type { JobProgress, JobResult } from '../store/jobs.ts'
import type { RepositoryRow, RepositoryTable } from '../store/repositories.ts'
import type { RefRow, SyncOutcome, SyncState, SyncStateTable } from '../store/sync-state.ts'
import { type Diff, diffSteps } from './diff.ts'
import type { HostedRepository, HostFacts } from './host-facts.ts'
import { noPackages } from './no-packages.ts'
import { type ArchiveParts, prepareArchives } from './prepare-archives.ts'
import { manifestsOf, type Reading, readManifests } from './read-manifests.ts'
import { issueTexts } from './ref-issues.ts'
import { resultOf, unchangedResult } from './sync-result.ts'

/** Parts a sync works with. Times are Unix seconds. */
export interface SyncParts {
  readonly repositories: RepositoryTable
  readonly state: SyncStateTable
  readonly openSource: (row: RepositoryRow) => Promise<Source>
  readonly hostFacts: HostFacts
  readonly archives: ArchiveParts
  /** When a repository is looked at next, Unix seconds. */
  readonly nextLookAt: (row: RepositoryRow) => Promise<number>
  readonly now: () => number
  readonly logger: Logger
}

/** One sync of one repository. */
export interface SyncRequest {
  readonly repositoryId: string
  readonly acceptRemovals: boolean
  readonly report: (progress: JobProgress) => void
  readonly signal: AbortSignal
}

/**
 * Makes the stored versions of a repository equal to what its source offers. An unchanged repository costs one listing
 * of refs, and once a day a question to its host. Resolves to what it changed. Throws AppError('upstream') when the
 * source cannot be read; what is stored stays as it was.
 */
export async function syncRepository(parts: SyncParts, request: SyncRequest): Promise<JobResult> {
  const stored = await parts.repositories.find(request.repositoryId)
  if (!stored) return unchangedResult([])
  const hosted = await parts.hostFacts.current(stored, request.signal)
  try {
    return await readAndSave(parts, request, hosted)
  } catch (error) {
    return readAndSave(parts, request, await parts.hostFacts.explain(hosted, error, request.signal))
  }
}

async function readAndSave(parts: SyncParts, request: SyncRequest, hosted: HostedRepository): Promise<JobResult> {
  const { row } = hosted
  const source = await parts.openSource(row)
  try {
    request.report({ done: 0, total: 0, step: 'listing refs' })
    const list = await source.refs(request.signal)
    const digest = refsDigest(list, hosted)
    const nextSyncAt = await parts.nextLookAt(row)
    if (digest === row.refsDigest) {
      // The outcome of the last reading stands, whatever failed since.
      const issues = await parts.repositories.issues(row.id)
      const problem = (await parts.state.offersAnything(row.id)) ? null : noPackages(issues, list.defaultBranch)
      await parts.repositories.noteUnchanged(row.id, { now: parts.now(), nextSyncAt, problem })
      return unchangedResult(issues)
    }
    const state = await parts.state.load(row.id)
    if (!request.acceptRemovals) refuseHalfGone(list, state)
    const globs = manifestGlobs(row.composerJsonPaths)
    const read = await readManifests(source, { list, globs, state }, request)
    const outcome = await makeOutcome(parts, hosted, {
      list,
      globs,
      state,
      read,
      digest,
      nextSyncAt,
      signal: request.signal,
    })
    const withArchives = await prepareArchives(parts.archives, row, source, outcome, request)
    request.report({ done: list.refs.length, total: list.refs.length, step: 'saving' })
    request.signal.throwIfAborted()
    await parts.state.save(withArchives, parts.now())
    logOutcome(parts.logger, row, withArchives)
    return await resultOf(withArchives, state, new Pacer(new AbortController().signal))
  } finally {
    await source.close()
  }
}

/** Equal digests mean equal outcomes: refs, default branch, what the operator set about them, and the host says. */
function refsDigest(list: RefList, { row, archived }: HostedRepository): string {
  const hash = createHash('sha256')
  const lines = list.refs.map((ref) => `${ref.commit} ${ref.name}`).sort()
  const settings = [row.packageFilter, row.composerJsonPaths, ...(archived ? ['archived'] : [])]
  hash.update(JSON.stringify([FORMAT, list.defaultBranch, ...settings, lines]))
  return hash.digest('hex')
}

/** Part of the digest: raised when the rules change, so that every repository is read through once more. */
const FORMAT = 2

function refuseHalfGone(list: RefList, state: SyncState): void {
  if (state.refs.size === 0 || (list.refs.length > 0 && list.refs.length * 2 >= state.refs.size)) return
  throw new AppError(
    'upstream',
    `The source lists ${list.refs.length} refs where it had ${state.refs.size}; nothing was removed. If that is right, sync it once with accept_removals.`,
    { details: { reason: 'refs_vanished' } },
  )
}

interface Findings {
  readonly list: RefList
  readonly globs: readonly string[]
  readonly state: SyncState
  readonly read: Reading
  readonly digest: string
  readonly nextSyncAt: number
  readonly signal: AbortSignal
}

async function makeOutcome(parts: SyncParts, hosted: HostedRepository, findings: Findings): Promise<SyncOutcome> {
  const { row, archived } = hosted
  const { list, state, read, digest } = findings
  const manifests = await manifestsOf(parts.state, row.id, findings)
  const refs = list.refs.map((ref) => shortRef(ref))
  const steps = versionSteps({ refs, defaultBranch: list.defaultBranch, manifests })
  const found = await paced(steps, findings.signal)
  const { offered, filtered } = applyFilter(found.versions, row.packageFilter)
  const names = [...new Set(offered.map((version) => version.packageName))]
  const ownedElsewhere = await parts.state.ownedElsewhere(row.id, names)
  const blobOf = ({ reference, path }: PackageVersion) =>
    read.commits.get(reference)?.find((file) => file.path === path)?.blob ?? ''
  const waiting = new Set(list.refs.flatMap((ref) => (read.missed.has(ref.commit) ? ref.name : [])))
  const publishedPaths = await publishedPathsOf(parts, row, state)
  const stored = state.packages
  const compared = diffSteps({ offered, stored, ownedElsewhere, blobOf, waiting, publishedPaths, archived })
  const diff = await paced(compared, findings.signal)
  const rows = refRows(list, [...found.issues, ...diff.issues, ...filtered])
  return {
    repositoryId: row.id,
    refs: rows,
    refsDigest: read.missed.size === 0 && !diff.contested ? digest : `${digest} ${UNSETTLED}`,
    basedOn: row.refsDigest,
    defaultBranch: list.defaultBranch,
    commits: read.newCommits,
    manifests: read.newManifests,
    packages: diff.changes,
    moves: diff.moves.filter(({ ref, to }) => state.refs.get(ref) !== to),
    nextSyncAt: findings.nextSyncAt,
    problem: anythingOffered(diff, state) ? null : noPackages(issuesOf(rows), list.defaultBranch),
  }
}

/** Where the archives of references come from, unless all of them are of the root and stay so. */
async function publishedPathsOf(parts: SyncParts, row: RepositoryRow, state: SyncState): Promise<Map<string, string>> {
  const isOfRoot = state.packages.every(({ versions }) => versions.every(({ path }) => path === ''))
  return row.composerJsonPaths === null && isOfRoot ? new Map() : parts.state.publishedPaths(row.id)
}

/** Marks the digest of a listing whose outcome may change although the listing does not; it equals no other. */
const UNSETTLED = 'unsettled'

/** Thousands of versions take a second of computing, during which requests are answered. */
async function paced<Result>(steps: Generator<void, Result>, signal: AbortSignal): Promise<Result> {
  const pace = new Pacer(signal)
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await pace.step()
  }
}

function applyFilter(versions: readonly PackageVersion[], filter: string | null) {
  const patterns = namePatterns(filter)
  const offered: PackageVersion[] = []
  const filtered: RefIssue[] = []
  for (const version of versions) {
    if (patterns.length === 0 || matchesAny(patterns, version.packageName)) offered.push(version)
    else {
      const reason = `package_filter leaves out ${version.packageName}.`
      filtered.push({ ref: fullRefName(version.ref), path: version.path, reason })
    }
  }
  return { offered, filtered }
}

function anythingOffered(diff: Diff, state: SyncState): boolean {
  const changed = new Map(diff.changes.map((change) => [change.name, change.offered]))
  return (
    [...changed.values()].includes(true) || state.packages.some((entry) => entry.offered && !changed.has(entry.name))
  )
}

function refRows(list: RefList, issues: readonly RefIssue[]): RefRow[] {
  const reasons = issueTexts(issues)
  const offered = list.refs.map(({ name, commit }) => ({ name, commit, issue: reasons.get(name) ?? null }))
  // Names that are no UTF-8 are shown with replacement characters, and two of them may look the same.
  const names = new Set(list.refs.map(({ name }) => name))
  const skipped: RefRow[] = []
  for (const { ref, reason } of list.skipped) {
    if (names.has(ref)) continue
    names.add(ref)
    skipped.push({ name: ref, commit: '', issue: reason })
  }
  return [...offered, ...skipped]
}

function issuesOf(rows: readonly RefRow[]): { ref: string; reason: string }[] {
  return rows.flatMap(({ name, issue }) => (issue === null ? [] : [{ ref: name, reason: issue }]))
}

function shortRef(ref: { name: string; commit: string }): OfferedRef {
  const tag = ref.name.startsWith('refs/tags/')
  const name = ref.name.slice(tag ? 'refs/tags/'.length : 'refs/heads/'.length)
  return { kind: tag ? 'tag' : 'branch', name, commit: ref.commit }
}

function logOutcome(logger: Logger, row: RepositoryRow, outcome: SyncOutcome): void {
  const saved = outcome.packages.reduce((sum, change) => sum + change.save.length, 0)
  const hidden = outcome.packages.reduce((sum, change) => sum + change.hide.length, 0)
  const issues = outcome.refs.filter((ref) => ref.issue !== null).length
  logger.info('repository synced', { repository: row.id, url: row.url, saved, hidden, issues })
}
