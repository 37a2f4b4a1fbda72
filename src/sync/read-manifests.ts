import type { CommitManifest } from '../composer/repository-versions.ts'
import type { ManifestFile, RefList, Source } from '../sources/source.ts'
import type { JobProgress } from '../store/jobs.ts'
import type { CommitRow, SyncState, SyncStateTable } from '../store/sync-state.ts'

/** What a sync knows of commits after asking the source for those never seen. */
export interface Reading {
  /** Every offered commit. */
  readonly commits: ReadonlyMap<string, CommitRow>
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
function isUnread(row: CommitRow): boolean {
  return row.problem !== null && row.committedAt === 0
}

/** Asks the source for composer.json at the commits never seen; blobs already stored are not sent again. */
export async function readManifests(
  source: Source,
  list: RefList,
  state: SyncState,
  request: { report: (progress: JobProgress) => void; signal: AbortSignal },
): Promise<Reading> {
  const offered = [...new Set(list.refs.map((ref) => ref.commit))]
  const unknown = offered.filter((commit) => {
    const row = state.commits.get(commit)
    return row === undefined || isUnread(row)
  })
  request.report({ done: offered.length - unknown.length, total: offered.length, step: 'reading composer.json' })
  const files =
    unknown.length === 0
      ? new Map<string, ManifestFile>()
      : await source.manifests(unknown, state.blobs, request.signal)
  const commits = new Map(state.commits)
  const newManifests = new Map<string, string>()
  const newCommits: CommitRow[] = []
  for (const commit of unknown) {
    const row = commitRow(commit, files.get(commit), newManifests)
    commits.set(commit, row)
    newCommits.push(row)
  }
  return {
    commits,
    newCommits,
    newManifests: [...newManifests].map(([blob, content]) => ({ blob, content })),
    missed: new Set(newCommits.flatMap((row) => (isUnread(row) && !state.commits.has(row.commit) ? row.commit : []))),
  }
}

function commitRow(commit: string, file: ManifestFile | undefined, texts: Map<string, string>): CommitRow {
  if (!file) return { commit, path: '', committedAt: 0, blob: null, problem: 'The source did not send this commit.' }
  let { problem } = file
  if (file.blob !== null && file.content !== null) {
    const text = decode(file.content)
    if (text === null) problem ??= 'composer.json is not valid UTF-8.'
    // libSQL gives a text back only up to its first NUL.
    else if (text.includes('\0')) problem ??= 'composer.json contains NUL, so it is not JSON.'
    else texts.set(file.blob, text)
  }
  return { commit, path: '', committedAt: file.committedAt, blob: problem === null ? file.blob : null, problem }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

/** composer.json of every offered commit, from what was just read and what is stored. */
export async function manifestsOf(
  table: SyncStateTable,
  repositoryId: string,
  list: RefList,
  read: Reading,
): Promise<Map<string, CommitManifest>> {
  const rows = [...new Set(list.refs.map((ref) => ref.commit))].flatMap((commit) => read.commits.get(commit) ?? [])
  const fresh = new Map(read.newManifests.map((entry) => [entry.blob, entry.content]))
  const missing = [...new Set(rows.flatMap((row) => (row.blob !== null && !fresh.has(row.blob) ? [row.blob] : [])))]
  const stored = await table.manifests(repositoryId, missing)
  const bytes = new Map([...fresh, ...stored].map(([blob, text]) => [blob, new TextEncoder().encode(text)]))
  return new Map(
    rows.map((row) => [
      row.commit,
      {
        committedAt: row.committedAt,
        content: (row.blob === null ? null : bytes.get(row.blob)) ?? null,
        ...(row.blob === null ? {} : { blob: row.blob }),
        ...(row.problem === null ? {} : { problem: row.problem }),
      },
    ]),
  )
}
