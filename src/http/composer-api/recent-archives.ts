import { lstatSync } from 'node:fs'
import type { ArchiveFile } from '../../archives/archive-index.ts'
import type { ScopedVersion } from '../../auth/scope.ts'
import type { MirroredDocument } from '../../mirror/upstream.ts'

/** An archive that was found for an address, and the package it belongs to. */
export interface FoundArchive {
  /** Lower-case full name of the package. */
  readonly packageName: string
  /** What decides which callers it is for. */
  readonly version: ScopedVersion
  /** The document that did not have it on a filter list; null for none, left out where none has to be looked at. */
  readonly judgedBy?: MirroredDocument | null
  /** Name to save the file as. */
  readonly fileName: string
  readonly file: ArchiveFile
}

interface Recent {
  readonly found: FoundArchive
  readonly revision: number
  readonly until: number
  readonly inode: number
  readonly modifiedMs: number
}

/** Most addresses remembered. */
const REMEMBERED = 2_000
/** Longest address remembered, in characters; those in metadata are shorter. */
const LONGEST_ADDRESS = 1_000
/** How long an answer of the store is repeated: short, because the store learns from being asked what is in use. */
const TRUST_MS = 10_000

/**
 * Archives that the store found a moment ago, by their address: a popular one is downloaded many times a second, and
 * its version, its digests and its file are the same each time. An entry holds while no package changed and the file on
 * disk is the very one that was found; everything else asks the store again.
 */
export class RecentArchives {
  private readonly entries = new Map<string, Recent>()

  /** The archive found for this address at this revision of the catalog, when its file is untouched; else null. */
  get(address: string, revision: number): FoundArchive | null {
    const recent = this.entries.get(address)
    if (!recent) return null
    if (recent.revision === revision && recent.until > performance.now() && untouched(recent)) return recent.found
    this.entries.delete(address)
    return null
  }

  /** Remembers what the store found. `revision` is the one from before it was asked. */
  keep(address: string, revision: number, found: FoundArchive): void {
    if (address.length > LONGEST_ADDRESS) return
    const state = stateOf(found.file.path)
    if (state === undefined || state.size !== found.file.size) return
    this.entries.delete(address)
    this.entries.set(address, {
      found,
      revision,
      until: performance.now() + TRUST_MS,
      inode: state.ino,
      modifiedMs: state.mtimeMs,
    })
    if (this.entries.size <= REMEMBERED) return
    const oldest = this.entries.keys().next().value
    if (oldest !== undefined) this.entries.delete(oldest)
  }
}

function untouched({ found, inode, modifiedMs }: Recent): boolean {
  const state = stateOf(found.file.path)
  return (
    state?.isFile() === true && state.size === found.file.size && state.ino === inode && state.mtimeMs === modifiedMs
  )
}

/** Not the asynchronous form: on a local disk handing the question to another thread takes ten times as long. */
function stateOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    // Whatever the disk refuses here, the store meets again and reports.
    return undefined
  }
}
