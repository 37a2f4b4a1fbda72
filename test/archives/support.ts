import { mkdtempSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ArchiveEvent, ArchiveIndex, ArchiveKey, ArchiveRecord } from '../../src/archives/archive-index.ts'
import type { ZipSink } from '../../src/archives/zip.ts'
import type { FileMode, Snapshot, SnapshotFile } from '../../src/git/snapshot.ts'

/** A file of a snapshot; the path as text, or as bytes where it is no UTF-8. */
export function file(path: string | Uint8Array, content: string | Uint8Array, mode: FileMode = 0o100644): SnapshotFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  const name = typeof path === 'string' ? new TextEncoder().encode(path) : path
  return { path: name, mode, size: bytes.length, read: () => bytes }
}

/** Files in byte order, as a snapshot promises them. */
export function snapshot(files: readonly SnapshotFile[], warnings: readonly string[] = []): Snapshot {
  return { commit: 'c'.repeat(40), files: files.toSorted((a, b) => Buffer.compare(a.path, b.path)), warnings }
}

/** A sink that keeps everything. */
export function memorySink(): ZipSink & { bytes(): Buffer } {
  const chunks: Uint8Array[] = []
  return {
    write(chunk) {
      chunks.push(Uint8Array.from(chunk))
    },
    bytes: () => Buffer.concat(chunks),
  }
}

export const never = new AbortController().signal

/** The same pseudo-random bytes every time. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** Text that compresses about as well as source code does. */
export function prose(length: number, seed = 1): Uint8Array {
  const words = ['function', 'return', '$this->', 'public', 'string', ' = ', 'array', '();\n', '  ', 'null', 'value']
  const parts: string[] = []
  const picks = noise(length, seed)
  for (let at = 0, size = 0; size < length; at++) {
    const word = `${words[(picks[at] ?? 0) % words.length]}${(picks[at] ?? 0) % 7}`
    parts.push(word)
    size += word.length
  }
  return new TextEncoder().encode(parts.join('').slice(0, length))
}

/** Runs a program and returns what it printed; throws when it fails. */
export function run(command: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): string {
  const result = Bun.spawnSync([...command], { ...options, stdout: 'pipe', stderr: 'pipe' })
  const output = result.stdout.toString() + result.stderr.toString()
  if (result.exitCode !== 0) throw new Error(`${command[0]} failed with ${result.exitCode}: ${output.slice(0, 2000)}`)
  return output
}

/** Directories of one test file; `clean` deletes them. */
export function scratch(): { make(): string; clean(): Promise<void> } {
  const made: string[] = []
  return {
    make() {
      const directory = mkdtempSync(join(tmpdir(), 'archives-'))
      made.push(directory)
      return directory
    },
    async clean() {
      for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true })
    },
  }
}

/** An index in memory, with the promise of the real one: the first record of a key wins. */
export class MemoryIndex implements ArchiveIndex {
  readonly records = new Map<string, ArchiveRecord>()

  async find(key: ArchiveKey): Promise<ArchiveRecord | null> {
    return this.records.get(JSON.stringify(key)) ?? null
  }

  async record(key: ArchiveKey, record: ArchiveRecord): Promise<ArchiveRecord> {
    const id = JSON.stringify(key)
    const counts = this.records.get(id) ?? record
    this.records.set(id, counts)
    return counts
  }
}

/** Events as they came. */
export function eventLog(): { events: ArchiveEvent[]; onEvent: (event: ArchiveEvent) => void } {
  const events: ArchiveEvent[] = []
  return { events, onEvent: (event) => events.push(event) }
}

/** Every regular file below a directory, relative to it. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort()
}
