import type { CommitManifest } from '../composer/repository-versions.ts'
import { Pacer } from '../pacer.ts'
import type { CommitManifests, ManifestFile, RefList, Source } from '../sources/source.ts'
import type { JobProgress } from '../store/jobs.ts'
import type { CommitRow, SyncState, SyncStateTable } from '../store/sync-state.ts'

/** What a sync knows of commits after asking the source for those never seen. */
export interface Reading {
  /** Every offered commit, with a row for each directory that was found. */
  readonly commits: ReadonlyMap<string, readonly CommitRow[]>
  /** Only those not known before. */
  readonly newCommits: readonly CommitRow[]
  readonly newManifests: readonly { blob: string; content: string }[]
  /**
   * Commits that could not be read for the first time: hosts answer from several machines, of which one may not have
   * them yet. They are asked for once more, and again whenever the repository changes.
   */
  readonly missed: ReadonlySet<string>
}

/** The source did not give the commit, which may be different tomorrow; any other problem is the commit's own. */
function isUnread(rows: readonly CommitRow[]): boolean {
  return rows.every(({ problem, committedAt }) => problem !== null && committedAt === 0)
}

/**
 * Asks the source for the composer.json files of the commits never seen: those that `globs` name, or the one at the root
 * when there are none. Blobs already stored are not sent again.
 */
export async function readManifests(
  source: Source,
  { list, globs, state }: { list: RefList; globs: readonly string[]; state: SyncState },
  request: { report: (progress: JobProgress) => void; signal: AbortSignal },
): Promise<Reading> {
  const offered = [...new Set(list.refs.map((ref) => ref.commit))]
  const unknown = offered.filter((commit) => isUnread(state.commits.get(commit) ?? []))
  request.report({ done: offered.length - unknown.length, total: offered.length, step: 'reading composer.json' })
  const found =
    unknown.length === 0
      ? new Map<string, CommitManifests>()
      : await source.manifests(unknown, globs, state.blobs, request.signal)
  const commits = new Map(state.commits)
  const newManifests = new Map<string, string>()
  const newCommits: CommitRow[] = []
  const missed = new Set<string>()
  const pace = new Pacer(request.signal)
  for (const commit of unknown) {
    await pace.step()
    const rows = commitRows(commit, found.get(commit), newManifests)
    commits.set(commit, rows)
    newCommits.push(...rows)
    if (isUnread(rows) && !state.commits.has(commit)) missed.add(commit)
  }
  return { commits, newCommits, newManifests: [...newManifests].map(([blob, content]) => ({ blob, content })), missed }
}

/** One row for each file, and always one for the root: it says that the commit was read, or why not. */
function commitRows(commit: string, found: CommitManifests | undefined, texts: Map<string, string>): CommitRow[] {
  const root = { commit, path: '', committedAt: found?.committedAt ?? 0, blob: null }
  if (!found) return [{ ...root, problem: 'The source did not send this commit.' }]
  const rows = new Map<string, CommitRow>([['', { ...root, problem: found.problem }]])
  for (const file of found.files) {
    const problem = file.problem ?? keepText(file, texts)
    const blob = problem === null ? file.blob : null
    rows.set(file.path, { ...root, path: file.path, blob, problem })
  }
  return [...rows.values()]
}

/** Keeps the text of a file. Returns why it cannot be, or null. */
function keepText({ blob, content }: ManifestFile, texts: Map<string, string>): string | null {
  if (blob === null || content === null) return null
  const text = decode(content)
  if (text === null) return 'composer.json is not valid UTF-8.'
  // libSQL gives a text back only up to its first NUL.
  if (text.includes('\0')) return 'composer.json contains NUL, so it is not JSON.'
  texts.set(blob, text)
  return null
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The composer.json files of every offered commit, from what was just read and what is stored. */
export async function manifestsOf(
  table: SyncStateTable,
  repositoryId: string,
  { list, globs, read, signal }: { list: RefList; globs: readonly string[]; read: Reading; signal: AbortSignal },
): Promise<Map<string, readonly CommitManifest[]>> {
  const commits = [...new Set(list.refs.map((ref) => ref.commit))]
  const fresh = new Map(read.newManifests.map((entry) => [entry.blob, entry.content]))
  const missing = new Set<string>()
  for (const commit of commits) {
    for (const { blob } of read.commits.get(commit) ?? []) if (blob !== null && !fresh.has(blob)) missing.add(blob)
  }
  const stored = await table.manifests(repositoryId, [...missing])
  const pace = new Pacer(signal)
  const bytes = new Map<string, Uint8Array>()
  for (const texts of [fresh, stored]) {
    for (const [blob, text] of texts) {
      bytes.set(blob, new TextEncoder().encode(text))
      if (pace.due()) await pace.rest()
    }
  }
  const manifests = new Map<string, readonly CommitManifest[]>()
  for (const commit of commits) {
    await pace.step()
    const rows = read.commits.get(commit)
    if (rows !== undefined) manifests.set(commit, manifestsIn(rows, globs.length > 0, bytes))
  }
  return manifests
}

function manifestsIn(
  rows: readonly CommitRow[],
  byGlobs: boolean,
  bytes: ReadonlyMap<string, Uint8Array>,
): CommitManifest[] {
  const said = byGlobs ? rows.filter(({ blob, problem }) => blob !== null || problem !== null) : rows
  const [first] = rows
  if (said.length === 0 && first !== undefined) {
    return [{ committedAt: first.committedAt, content: null, problem: NOTHING_NAMED }]
  }
  const inOrder = [...said].sort((a, b) => (a.path < b.path ? -1 : 1))
  return inOrder.map(({ path, committedAt, blob, problem }) => ({
    path,
    committedAt,
    content: (blob === null ? null : bytes.get(blob)) ?? null,
    ...(blob === null ? {} : { blob }),
    ...(problem === null ? {} : { problem }),
  }))
}

const NOTHING_NAMED = 'There is no composer.json that composer_json_paths names.'
