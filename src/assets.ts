import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from './errors.ts'

/**
 * Directory of a folder shipped with the program: inside the executable when compiled, else beside `src`.
 * `name` is the folder's path from the top of the project, such as `drizzle`. Throws AppError('unavailable') when the build left it out.
 */
export function assetDirectory(name: string): string {
  const inExecutable = join(import.meta.dir, name)
  const inCheckout = join(import.meta.dir, '..', name)
  const found = [inExecutable, inCheckout].find((directory) => existsSync(directory))
  if (!found)
    throw new AppError('unavailable', `This build lacks its “${name}” folder; build it again with make build.`)
  return found
}
