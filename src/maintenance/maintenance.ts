import type { ArchiveCondition, ArchiveUpkeep } from '../archives/archive-cache.ts'
import { type ArchiveFolder, type ArchiveRecord, folderOfFormat } from '../archives/archive-index.ts'
import type { UploadStore } from '../archives/upload-store.ts'
import type { Database } from '../store/database.ts'
import type { Tables } from '../store/tables.ts'
import { DataHold } from './data-hold.ts'
import { collectGarbage, type Garbage, type GarbageParts } from './garbage.ts'

export type { ArchiveCondition }

/** What maintenance works with. */
export interface MaintenanceParts extends Pick<GarbageParts, 'archiveDirectory' | 'databaseDirectory'> {
  readonly db: Database
  readonly tables: Pick<Tables, 'archives' | 'idempotentAnswers'>
  readonly archives: { readonly files: ArchiveUpkeep }
  readonly archiveDownloads: { readonly files: ArchiveUpkeep }
  readonly uploads: Pick<UploadStore, 'files' | 'release'>
  /** Unix seconds. */
  readonly now: () => number
}

/** What only the process can do that owns the data: for commands, over its socket, and for its own upkeep. */
export class Maintenance {
  private readonly holds = new Set<DataHold>()

  constructor(private readonly parts: MaintenanceParts) {}

  /** Has the data stand still, see `DataHold`. Throws AppError('unavailable') when the database cannot be held. */
  async hold(): Promise<DataHold> {
    const { db, archives, archiveDownloads, uploads } = this.parts
    const hold = await DataHold.begin(db, [archives.files, archiveDownloads.files, uploads.files])
    this.holds.add(hold)
    return hold
  }

  /** Ends a hold. May be called twice. */
  release(hold: DataHold): void {
    this.holds.delete(hold)
    hold.end()
  }

  /** The files of a folder. */
  filesOf(folder: ArchiveFolder): Omit<ArchiveUpkeep, 'removeOlder'> {
    const { archives, archiveDownloads, uploads } = this.parts
    return { git: archives, upstream: archiveDownloads, uploads }[folder].files
  }

  /**
   * Reads the archive with this digest again and puts it aside when it is not what was recorded, so that the next
   * request has it built or fetched again. An upload stays where it is: nothing can make it again.
   */
  async recheck(folder: ArchiveFolder, sha256: string): Promise<ArchiveCondition> {
    const record = await this.recordOf(folder, sha256)
    return record === null ? 'absent' : this.filesOf(folder).recheck(record)
  }

  /** Removes what is not needed any more, or only finds it when `dryRun`. */
  collectGarbage(dryRun: boolean): Promise<Garbage> {
    const { parts } = this
    return collectGarbage(
      {
        ...parts,
        filesOf: { git: this.filesOf('git'), uploads: this.filesOf('uploads'), upstream: this.filesOf('upstream') },
        removeArchive: (folder, sha256, before) => this.removeArchive(folder, sha256, before),
      },
      dryRun,
    )
  }

  /** Ends all holds. */
  stop(): void {
    for (const hold of this.holds) this.release(hold)
  }

  private async recordOf(folder: ArchiveFolder, sha256: string): Promise<ArchiveRecord | null> {
    const records = await this.parts.tables.archives.withDigest(sha256)
    return records.find((record) => folderOfFormat(record.format) === folder) ?? null
  }

  private async removeArchive(folder: ArchiveFolder, sha256: string, before: number): Promise<boolean> {
    const { archives, archiveDownloads, uploads } = this.parts
    if (folder !== 'uploads')
      return { git: archives, upstream: archiveDownloads }[folder].files.removeOlder(sha256, before)
    await uploads.release([sha256])
    return true
  }
}
