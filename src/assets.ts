import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { AppError } from './errors.ts'

/**
 * Directory of a folder shipped with the program: inside the executable when compiled, else in the checkout.
 * `path` leads to it from the top of the project; the executable keeps only its last part.
 * Throws AppError('unavailable') when the build left it out.
 */
export function assetDirectory(path: string): string {
  const inExecutable = join(import.meta.dir, basename(path))
  const inCheckout = join(import.meta.dir, '..', path)
  const found = [inExecutable, inCheckout].find((directory) => existsSync(directory))
  if (!found)
    throw new AppError(
      'unavailable',
      `This build lacks its “${basename(path)}” folder; build it again with make build.`,
      { fault: 'lasting' },
    )
  return found
}
