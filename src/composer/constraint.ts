import { AppError } from '../errors.ts'
import { parseSingleConstraint } from './constraint-parser.ts'
import { splitAlternatives, splitConjunction } from './constraint-split.ts'
import { type ComparisonOperator, versionsSatisfy } from './version-compare.ts'

/** A parsed constraint: `any` matches all, `compare` one bound on a normalized version, `all`/`either` join others. */
export type Constraint =
  | { readonly kind: 'any' }
  | VersionBound
  | { readonly kind: 'all' | 'either'; readonly constraints: readonly Constraint[] }

/** `operator version`, the version in normalized form. */
export interface VersionBound {
  readonly kind: 'compare'
  readonly operator: ComparisonOperator
  readonly version: string
}

/** Longest constraint that is read, in UTF-16 units. Composer has no bound. */
export const MAX_CONSTRAINT_LENGTH = 16_384
/** Most parts (alternatives times the conditions in each) of one constraint. */
export const MAX_CONSTRAINT_PARTS = 1024

/**
 * Reads a constraint as it stands in `require`. Throws `AppError('invalid')` where Composer refuses it, or when it is
 * beyond the bounds above. Composer: `VersionParser::parseConstraints`.
 */
export function parseConstraint(text: string): Constraint {
  if (text.length > MAX_CONSTRAINT_LENGTH) throw invalid('a version constraint is too long')
  const groups: Constraint[] = []
  let parts = 0
  for (const alternative of splitAlternatives(text)) {
    const conditions = splitConjunction(alternative)
    parts += conditions.length
    if (parts > MAX_CONSTRAINT_PARTS) throw invalid('a version constraint has too many parts')
    const bounds = conditions.flatMap((condition) => readCondition(condition))
    groups.push(join('all', bounds))
  }
  return join('either', mergeAdjacent(groups))
}

/** True when a normalized version (see `normalizeVersion`) fulfils the constraint. Composer: `Semver::satisfies`. */
export function matchesConstraint(constraint: Constraint, versionNormalized: string): boolean {
  switch (constraint.kind) {
    case 'any':
      return true
    case 'compare':
      return versionsSatisfy(versionNormalized, constraint.operator, constraint.version)
    case 'all':
      return constraint.constraints.every((part) => matchesConstraint(part, versionNormalized))
    case 'either':
      return constraint.constraints.some((part) => matchesConstraint(part, versionNormalized))
  }
}

/** Composer's own text of a parsed constraint: `[>= 1.0.0.0-dev < 2.0.0.0-dev]`, `*`. */
export function constraintText(constraint: Constraint): string {
  if (constraint.kind === 'any') return '*'
  if (constraint.kind === 'compare') return `${constraint.operator} ${constraint.version}`
  return `[${constraint.constraints.map(constraintText).join(constraint.kind === 'all' ? ' ' : ' || ')}]`
}

function readCondition(condition: string): Constraint[] {
  const bounds = parseSingleConstraint(condition)
  if (bounds === null) throw invalid(`"${condition.slice(0, 100)}" is no version constraint`)
  return bounds === 'any' ? [{ kind: 'any' }] : bounds
}

function join(kind: 'all' | 'either', constraints: Constraint[]): Constraint {
  const [only] = constraints
  return constraints.length === 1 && only !== undefined ? only : { kind, constraints }
}

/** `>=1 <2 || >=2 <3` becomes `>=1 <3`. Composer: `MultiConstraint::optimizeConstraints`. */
function mergeAdjacent(groups: readonly Constraint[]): Constraint[] {
  const merged: Constraint[] = []
  for (const right of groups) {
    const left = merged.at(-1)
    const joined = left && joinRanges(left, right)
    if (joined) merged[merged.length - 1] = joined
    else merged.push(right)
  }
  return merged
}

function joinRanges(left: Constraint, right: Constraint): Constraint | null {
  const [lower, boundary] = rangeBounds(left) ?? []
  const [next, upper] = rangeBounds(right) ?? []
  // Composer compares printed text, so a `<=` leaves `= ` in front of the version and never joins.
  if (!lower || !boundary || !next || !upper || boundary.operator !== '<' || boundary.version !== next.version) {
    return null
  }
  return { kind: 'all', constraints: [lower, upper] }
}

function rangeBounds(constraint: Constraint): [VersionBound, VersionBound] | null {
  if (constraint.kind !== 'all' || constraint.constraints.length !== 2) return null
  const [lower, upper] = constraint.constraints
  if (lower?.kind !== 'compare' || upper?.kind !== 'compare') return null
  return lower.operator === '>=' && upper.operator.startsWith('<') ? [lower, upper] : null
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence)
}
