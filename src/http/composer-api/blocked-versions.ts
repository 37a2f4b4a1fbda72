import type { ScopedVersion } from '../../auth/scope.ts'
import { type Constraint, matchesConstraint, parseConstraint } from '../../composer/constraint.ts'
import { AppError, isAppError } from '../../errors.ts'

/** An entry of a filter list, as far as it decides whether an archive is refused. */
export interface BlockingEntry {
  readonly list: string
  readonly constraint: string
  readonly reason: string | null
  readonly blocks: boolean
}

/** A version as filter lists name it: by its own number, or by the one that a branch also counts as. */
export type BlockableVersion = Pick<ScopedVersion, 'versionNormalized' | 'alias'>

/** Constraints by the entry that has them; entries stay the same objects until they change. */
const parsed = new WeakMap<BlockingEntry, Constraint | null>()

/**
 * Refuses the archive of a version that is on a filter list which blocks: to every client, whatever its lock file says.
 * Throws AppError('forbidden') with the reason.
 */
export function refuseListed(entries: readonly BlockingEntry[], name: string, version: BlockableVersion): void {
  const entry = entries.find((candidate) => candidate.blocks && isListed(candidate, version))
  if (!entry) return
  const why = entry.reason === null ? '' : `: ${entry.reason.replace(/\.$/, '')}`
  throw new AppError(
    'forbidden',
    `This version of ${name} is on the filter list ${entry.list} and is not handed out${why}.`,
  )
}

function isListed(entry: BlockingEntry, { versionNormalized, alias }: BlockableVersion): boolean {
  const constraint = parsed.get(entry) ?? constraintOf(entry.constraint)
  parsed.set(entry, constraint)
  if (constraint === null) return false
  return matchesConstraint(constraint, versionNormalized) || (alias !== null && matchesConstraint(constraint, alias))
}

function constraintOf(text: string): Constraint | null {
  try {
    return parseConstraint(text)
  } catch (error) {
    if (isAppError(error, 'invalid')) return null
    throw error
  }
}
