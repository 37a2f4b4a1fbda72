import { existsSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { AppError } from '../errors.ts'
import { parseGitUrl } from './url.ts'

/**
 * The directory of a repository on this machine, with symbolic links resolved; for a work tree its `.git`. `url` is a
 * `file://` URL or an absolute path, `roots` are the directories that an operator allows. Throws `AppError('invalid')`
 * for anything outside of them; whether it exists there is not told.
 */
export function localRepositoryPath(url: string, roots: readonly string[]): string {
  const parsed = parseGitUrl(url)
  if (parsed.kind !== 'file')
    throw new AppError('invalid', 'A local repository is named by file:// or an absolute path.')
  const path = insideRoots(parsed.path, roots)
  const workTree = join(path, '.git')
  return existsSync(workTree) ? insideRoots(workTree, roots) : path
}

function insideRoots(path: string, roots: readonly string[]): string {
  const real = realDirectory(path)
  const allowed = roots.map(realDirectory)
  const inside = allowed.some((root) => root !== null && real !== null && isInside(real, root))
  if (real === null || !inside) {
    throw new AppError('invalid', 'This path is not a directory inside the directories that this server may read.')
  }
  return real
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)
}

function realDirectory(path: string): string | null {
  try {
    const real = realpathSync(path)
    return statSync(real).isDirectory() ? real : null
  } catch {
    // Missing and unreadable are the same to the one who asks.
    return null
  }
}
