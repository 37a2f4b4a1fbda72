import { createHash } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../errors.ts'
import type { Progress } from './collect.ts'
import { digestFile, filesBelow, readTextFile } from './export-directory.ts'
import { MANIFEST, MAX_MANIFEST_BYTES, type Manifest, readManifest } from './manifest.ts'

/** An export whose every file is what its manifest says. */
export interface VerifiedExport {
  /** Absolute. */
  readonly path: string
  readonly manifest: Manifest
}

/** Most deviations that a sentence names. */
const MOST_NAMED = 10

/**
 * Verifies an export: its manifest by `manifestSha256` unless that is null, and by the manifest every file, which must all
 * be there and be no links. Throws AppError('invalid') that names what is wrong.
 */
export async function verifyExport(
  directory: string,
  manifestSha256: string | null,
  progress: Progress,
): Promise<VerifiedExport> {
  const path = resolve(directory)
  if (!(await lstat(path).catch(() => null))?.isDirectory()) {
    throw new AppError('invalid', `There is no directory ${path}.`)
  }
  const text = await readTextFile(join(path, MANIFEST), MAX_MANIFEST_BYTES)
  const sha256 = createHash('sha256').update(text).digest('hex')
  if (manifestSha256 !== null && sha256 !== manifestSha256) {
    throw new AppError('invalid', `${MANIFEST} has the SHA-256 ${sha256} instead of ${manifestSha256}.`)
  }
  const manifest = readManifest(text)
  const wrong: string[] = []
  const listed = new Set([MANIFEST, ...manifest.files.map((file) => file.path)])
  for (const file of await filesBelow(path)) if (!listed.has(file)) wrong.push(`${file} is not in the manifest`)
  const parents = new Map<string, boolean>()
  for (const [index, file] of manifest.files.entries()) {
    const problem = await problemOf(path, file, parents)
    if (problem !== null) wrong.push(`${file.path} ${problem}`)
    progress('verified', index + 1, manifest.files.length)
  }
  if (wrong.length === 0) return { path, manifest }
  const more = wrong.length > MOST_NAMED ? `, and ${wrong.length - MOST_NAMED} more` : ''
  throw new AppError(
    'invalid',
    `Nothing was imported: ${wrong.slice(0, MOST_NAMED).join('; ')}${more}. Copy the export again.`,
  )
}

async function problemOf(
  root: string,
  file: { readonly path: string; readonly size: number; readonly sha256: string },
  parents: Map<string, boolean>,
): Promise<string | null> {
  const path = join(root, file.path)
  if (!(await isBelow(root, dirname(path), parents))) return 'is behind a link'
  const state = await lstat(path).catch(() => null)
  if (state === null) return 'is missing'
  if (!state.isFile()) return 'is no file'
  if (state.size !== file.size) return `has ${state.size} bytes instead of ${file.size}`
  const { sha256 } = await digestFile(path)
  return sha256 === file.sha256 ? null : 'has another SHA-256 than the manifest says'
}

/** True when every directory between is one, and no link. */
async function isBelow(root: string, directory: string, parents: Map<string, boolean>): Promise<boolean> {
  if (directory === root) return true
  const known = parents.get(directory)
  if (known !== undefined) return known
  const state = await lstat(directory).catch(() => null)
  const below = state === null || (state.isDirectory() && (await isBelow(root, dirname(directory), parents)))
  parents.set(directory, below)
  return below
}
