import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveUpkeep } from '../archives/archive-cache.ts'
import { ARCHIVE_FOLDERS, type ArchiveFolder, folderOfFormat } from '../archives/archive-index.ts'
import { REPEATED_FOR } from '../store/idempotent-answers.ts'
import type { Tables } from '../store/tables.ts'
import { leftoverCopies } from './database-hold.ts'

/** What is not needed any more, or was until it was removed. Sizes in bytes. */
export interface Garbage {
  /** Archives that no record names. */
  readonly archives: { readonly count: number; readonly bytes: number }
  /** Damaged archives that were put aside more than a week ago. */
  readonly quarantined: { readonly count: number; readonly bytes: number }
  /** Copies of the database that a backup left which was killed. */
  readonly copies: { readonly count: number; readonly bytes: number }
  /** Answers kept for an Idempotency-Key for longer than they are repeated. */
  readonly answers: number
}

/** What garbage is looked for in. */
export interface GarbageParts {
  readonly tables: Pick<Tables, 'archives' | 'idempotentAnswers'>
  readonly filesOf: Readonly<Record<ArchiveFolder, Pick<ArchiveUpkeep, 'list'>>>
  /** Deletes an archive that no record names unless it was written after `before`, Unix milliseconds. */
  readonly removeArchive: (folder: ArchiveFolder, sha256: string, before: number) => Promise<boolean>
  readonly archiveDirectory: string
  /** Directory of the database file; null for a database on a server. */
  readonly databaseDirectory: string | null
  /** Unix seconds. */
  readonly now: () => number
}

/** Somebody may be about to record what was written a moment ago. */
const ORPHAN_MS = 60 * 60 * 1000
const QUARANTINE_MS = 7 * 24 * 60 * 60 * 1000

interface Waste {
  readonly bytes: number
  /** False when it turned out to be needed. */
  readonly remove: () => Promise<boolean>
}

/**
 * Finds what is not needed any more, and removes it unless `dryRun`. An archive with a record is never among it, whether
 * a version names it today or only a lock file of long ago.
 */
export async function collectGarbage(parts: GarbageParts, dryRun: boolean): Promise<Garbage> {
  const tidy = (found: readonly Waste[]) => tidyUp(found, dryRun)
  const until = parts.now() - REPEATED_FOR
  const answers = await parts.tables.idempotentAnswers.countOld(until)
  if (answers > 0 && !dryRun) await parts.tables.idempotentAnswers.dropOld(until)
  return {
    archives: await tidy(await orphans(parts)),
    quarantined: await tidy(await quarantined(parts)),
    copies: await tidy(await copies(parts)),
    answers,
  }
}

async function tidyUp(found: readonly Waste[], dryRun: boolean): Promise<{ count: number; bytes: number }> {
  let count = 0
  let bytes = 0
  for (const waste of found) {
    if (!dryRun && !(await waste.remove())) continue
    count += 1
    bytes += waste.bytes
  }
  return { count, bytes }
}

/** Files are listed before records are read: one that is recorded in between has its record by then. */
async function orphans({ tables, filesOf, removeArchive, now }: GarbageParts): Promise<Waste[]> {
  const before = now() * 1000 - ORPHAN_MS
  const files: { folder: ArchiveFolder; sha256: string; bytes: number }[] = []
  for (const folder of ARCHIVE_FOLDERS) {
    for (const { sha256, state } of await filesOf[folder].list()) {
      if (state.mtime <= before) files.push({ folder, sha256, bytes: state.size })
    }
  }
  const named = new Set((await tables.archives.named()).map((row) => `${folderOfFormat(row.format)} ${row.sha256}`))
  return files
    .filter(({ folder, sha256 }) => !named.has(`${folder} ${sha256}`))
    .map(({ folder, sha256, bytes }) => ({ bytes, remove: () => removeArchive(folder, sha256, before) }))
}

async function quarantined({ archiveDirectory, now }: GarbageParts): Promise<Waste[]> {
  const directory = join(archiveDirectory, 'quarantine')
  const found: Waste[] = []
  for (const name of await readdir(directory)) {
    const state = await lstat(join(directory, name))
    if (now() * 1000 - state.ctimeMs > QUARANTINE_MS) found.push(removal(join(directory, name), state.size))
  }
  return found
}

async function copies({ databaseDirectory }: GarbageParts): Promise<Waste[]> {
  if (databaseDirectory === null) return []
  const paths = await leftoverCopies(databaseDirectory)
  return Promise.all(paths.map(async (path) => removal(path, (await lstat(path)).size)))
}

function removal(path: string, bytes: number): Waste {
  return {
    bytes,
    async remove() {
      await rm(path, { recursive: true, force: true })
      return true
    },
  }
}
