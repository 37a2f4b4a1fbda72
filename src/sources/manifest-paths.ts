import { AppError } from '../errors.ts'

const MANIFEST = 'composer.json'
const MOST_GLOBS = 20
const LONGEST_GLOB = 500

/**
 * The globs of composer.json files in a comma-separated text, where the name of the file may be left out: `packages/*`.
 * Null, which is the composer.json at the root alone, gives an empty list.
 * Throws AppError('invalid') with what a glob must be.
 */
export function manifestGlobs(text: string | null): string[] {
  if (text === null) return []
  const globs = text.split(',').map((glob) => glob.trim())
  if (globs.length > MOST_GLOBS) throw new AppError('invalid', `must be at most ${MOST_GLOBS} globs`)
  return globs.map(manifestGlob)
}

function manifestGlob(glob: string): string {
  if (glob === '') throw new AppError('invalid', 'must be globs of paths between commas, none of them empty')
  if (glob.length > LONGEST_GLOB) throw new AppError('invalid', `must be globs of at most ${LONGEST_GLOB} characters`)
  const parts = glob.split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\p{C}\\]/u.test(glob)) {
    throw new AppError(
      'invalid',
      'must be relative paths in the repository, like packages/*/composer.json: no slash at an end, no empty, "." or ".." part, no backslash',
    )
  }
  return parts.at(-1) === MANIFEST ? glob : `${glob}/${MANIFEST}`
}
