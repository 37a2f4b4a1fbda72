import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Flips a bit in the middle of a file, in the same inode. */
export function flipBit(path: string): void {
  const bytes = readFileSync(path)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** The same so that size, time and inode say nothing of it, as when a disk loses a bit. */
export function rot(path: string): void {
  const { atime, mtime } = statSync(path)
  flipBit(path)
  utimesSync(path, atime, mtime)
}

/** Paths of all files below a directory, sorted. */
export function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
