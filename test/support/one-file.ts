import type { CommitFiles } from '../../src/git/file-reading.ts'
import { GitRepository } from '../../src/git/repository.ts'
import type { ObjectId } from '../../src/git/snapshot.ts'

/** One file at one commit. */
export type CommitFile =
  | { kind: 'file'; commit: ObjectId; committedAt: number; blob: ObjectId; content: Uint8Array | null }
  | { kind: 'absent'; commit: ObjectId; committedAt: number }
  | { kind: 'too_large'; commit: ObjectId; committedAt: number; blob: ObjectId }
  | { kind: 'unreadable'; commit: ObjectId; reason: string }

/** A repository of which tests read a single path at each commit. */
export class OneFileRepository extends GitRepository {
  async readFile(
    path: string,
    commits: readonly ObjectId[],
    signal: AbortSignal,
    knownBlobs: ReadonlySet<ObjectId> = new Set(),
  ): Promise<Map<ObjectId, CommitFile>> {
    const found = await this.readFiles([path], commits, signal, knownBlobs)
    return new Map([...found].map(([commit, files]) => [commit, oneFile(files)]))
  }
}

function oneFile(found: CommitFiles): CommitFile {
  if (found.kind === 'unreadable') return found
  if (found.kind === 'too_many') throw new Error(found.reason)
  const { commit, committedAt, files } = found
  const [file, ...others] = files
  if (others.length > 0) throw new Error('a path was found twice')
  if (file === undefined) return { kind: 'absent', commit, committedAt }
  const { blob, content, tooLarge } = file
  return tooLarge
    ? { kind: 'too_large', commit, committedAt, blob }
    : { kind: 'file', commit, committedAt, blob, content }
}
