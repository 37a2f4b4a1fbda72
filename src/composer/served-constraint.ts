import { isAppError } from '../errors.ts'
import { type Constraint, parseConstraint, type VersionBound } from './constraint.ts'
import { splitAlternatives, splitConjunction } from './constraint-split.ts'

const VERSION = String.raw`v?\d{1,9}(?:\.\d{1,9}){0,3}(?:-(?:dev|alpha|beta|RC|patch|stable)(?:\.?\d{1,9})?)?(?:-dev)?`
const BRANCH = `dev-[A-Za-z0-9][A-Za-z0-9._/-]{0,200}`
const BOUND = new RegExp(`^(?:[<>!=]=?|<>|[\\^~])? {0,3}${VERSION}$`, 'i')
const NAMED = new RegExp(`^(?:==?|!=|<>)? {0,3}${BRANCH}$`)
const RANGE = new RegExp(`^${VERSION} +- +${VERSION}$`, 'i')
const WILDCARD = /^(?:\*|v?\d{1,9}(?:\.\d{1,9}){0,2}\.[x*])$/i

/** What Composer since 2.8.11 keeps of a constraint that it cannot read (Composer: PartialSecurityAdvisory::create). */
const READABLE_START = /^[>=<^~]*[\d.]+/

/**
 * True for a constraint that every Composer since 2.4 reads, and reads alike: operators, numbers of up to four parts,
 * common suffixes, ranges, wildcards and branches, joined by blanks, commas and bars. A client before 2.8.11 ends at
 * the first constraint of an advisory that it cannot read, so nothing else is served.
 */
export function isPlainConstraint(text: string): boolean {
  if (parsed(text) === null) return false
  return splitAlternatives(text).every((alternative) => splitConjunction(alternative).every(isPlainPart))
}

/**
 * The constraint in a form that every client reads: as it is when it is plain, written anew when this server reads it,
 * else what can be read of each alternative. Null when nothing can.
 */
export function servedConstraint(text: string): string | null {
  if (isPlainConstraint(text)) return text
  const whole = parsed(text)
  if (whole !== null) return plainOrNull(written(whole))
  // The bound on length holds for what is mended too.
  const alternatives = text.length > LONGEST_MENDED ? [] : splitAlternatives(text)
  const kept = alternatives.flatMap((alternative) => {
    const readable = parsed(alternative) ?? parsed(READABLE_START.exec(alternative)?.[0] ?? '')
    return readable === null ? [] : [written(readable)]
  })
  return kept.length === 0 ? null : plainOrNull(kept.join('|'))
}

/** Longest text that is mended, in characters. */
const LONGEST_MENDED = 4_096

function parsed(text: string): Constraint | null {
  try {
    return parseConstraint(text)
  } catch (error) {
    if (isAppError(error, 'invalid')) return null
    throw error
  }
}

function isPlainPart(part: string): boolean {
  return BOUND.test(part) || NAMED.test(part) || RANGE.test(part) || WILDCARD.test(part)
}

function plainOrNull(text: string): string | null {
  return isPlainConstraint(text) ? text : null
}

function written(constraint: Constraint): string {
  if (constraint.kind === 'any') return '*'
  if (constraint.kind === 'compare') return writtenBound(constraint)
  return constraint.constraints.map(written).join(constraint.kind === 'all' ? ',' : '|')
}

/** Composer takes `<2.0` and `>=2.0` for their `-dev`, unless a suffix says otherwise. */
function writtenBound({ operator, version }: VersionBound): string {
  const bare = (operator === '<' || operator === '>=') && /^[\d.]+$/.test(version)
  return `${operator}${version}${bare ? '-stable' : ''}`
}
