import { isDigit } from './php-text.ts'

/** Words of a version that have a rank; PHP compares by prefix, in this order. Anything else ranks below `dev`. */
const RANKED_WORDS: readonly (readonly [word: string, rank: number])[] = [
  ['dev', 0],
  ['alpha', 1],
  ['a', 1],
  ['beta', 2],
  ['b', 2],
  ['RC', 3],
  ['rc', 3],
  ['#', 4],
  ['pl', 5],
  ['p', 5],
]
/** PHP's stand-in for "a number" where a word meets a number or the end. */
const NUMBER_WORD = '#N#'
const LARGEST_INTEGER = 9223372036854775807n

/** Operators of Composer's constraints, in the spelling Composer prints. */
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>='

/** Order of two normalized versions: negative, zero or positive. PHP: `version_compare`. Linear in their length. */
export function compareVersions(left: string, right: string): number {
  if (left === '' || right === '') return Number(left !== '') - Number(right !== '')
  return compareParts(canonicalParts(left), canonicalParts(right))
}

/** `compareVersions` for one sort: each version is taken apart once, however often it is compared. */
export function versionComparer(): typeof compareVersions {
  const known = new Map<string, string[]>()
  const partsOf = (version: string) => {
    const parts = known.get(version) ?? canonicalParts(version)
    known.set(version, parts)
    return parts
  }
  return (left, right) => {
    if (left === '' || right === '') return compareVersions(left, right)
    return compareParts(partsOf(left), partsOf(right))
  }
}

/** A text that two non-empty versions share exactly when `compareVersions` finds them equal: `1.0-pl1`, `01.0.p.1`. */
export function comparisonKey(version: string): string {
  return canonicalParts(version)
    .map((part) => (isDigit(part.charCodeAt(0)) ? saturated(part) : `r${rank(part)}`))
    .join('.')
}

/**
 * `left operator right` for normalized versions. Branches (`dev-…`) have no order: they equal only themselves and match
 * no range. Composer: `Constraint::versionCompare`.
 */
export function versionsSatisfy(left: string, operator: ComparisonOperator, right: string): boolean {
  const leftIsBranch = left.startsWith('dev-')
  const rightIsBranch = right.startsWith('dev-')
  if (leftIsBranch || rightIsBranch) {
    if (operator === '!=') return left !== right
    return operator === '==' && left === right
  }
  return holds(compareVersions(left, right), operator)
}

function holds(order: number, operator: ComparisonOperator): boolean {
  switch (operator) {
    case '==':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

/** Splits a version where digits meet other characters and at separators. PHP: `php_canonicalize_version`. */
function canonicalParts(version: string): string[] {
  if (version.startsWith('#')) return version.split('.')
  let canonical = version.charAt(0)
  for (let index = 1; index < version.length; index++) {
    const before = version.charCodeAt(index - 1)
    const code = version.charCodeAt(index)
    const separated = canonical.endsWith('.')
    if (!isAlphanumeric(code)) {
      // A character that is neither is kept after a digit: PHP tests for the boundary first.
      if (!separated) canonical += '.'
      if (isDigit(before) && !isSeparator(code)) canonical += version.charAt(index)
      continue
    }
    const boundary = isDigit(code) ? isWordCharacter(before) : isDigit(before)
    canonical += boundary && !separated ? `.${version.charAt(index)}` : version.charAt(index)
  }
  return canonical.split('.')
}

function isAlphanumeric(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
}

/** `-`, `_`, `+` and `.`. */
function isSeparator(code: number): boolean {
  return code === 0x2d || code === 0x5f || code === 0x2b || code === 0x2e
}

function isWordCharacter(code: number): boolean {
  return !isDigit(code) && !isSeparator(code)
}

function compareParts(left: readonly string[], right: readonly string[]): number {
  let index = 0
  for (; hasPart(left, index) && hasPart(right, index); index++) {
    const order = comparePart(left[index] ?? '', right[index] ?? '')
    if (order !== 0) return order
  }
  if (index < left.length) return compareRest(left.slice(index))
  if (index < right.length) return -compareRest(right.slice(index))
  return 0
}

function hasPart(parts: readonly string[], index: number): boolean {
  return index < parts.length && !(index === parts.length - 1 && parts[index] === '')
}

/** A version that goes on is greater with a number (`1.0` > `1`) and otherwise as its word ranks (`1.0-dev` < `1.0`). */
function compareRest(rest: readonly string[]): number {
  const first = rest[0] ?? ''
  if (isDigit(first.charCodeAt(0))) return 1
  if (rest.length === 1 && first === '') return -1
  return compareParts(rest, [NUMBER_WORD])
}

function comparePart(left: string, right: string): number {
  const leftIsNumber = isDigit(left.charCodeAt(0))
  const rightIsNumber = isDigit(right.charCodeAt(0))
  if (leftIsNumber && rightIsNumber) return compareNumbers(left, right)
  return Math.sign(rank(leftIsNumber ? NUMBER_WORD : left) - rank(rightIsNumber ? NUMBER_WORD : right))
}

function compareNumbers(left: string, right: string): number {
  if (left.length < 16 && right.length < 16) return Math.sign(Number.parseInt(left, 10) - Number.parseInt(right, 10))
  const [a, b] = [saturated(left), saturated(right)]
  return a === b ? 0 : a < b ? -1 : 1
}

/** PHP reads parts with `strtol`, which stops at the largest 64-bit integer. */
function saturated(digits: string): bigint {
  const value = BigInt(/^\d+/.exec(digits)?.[0] ?? '0')
  return value > LARGEST_INTEGER ? LARGEST_INTEGER : value
}

function rank(word: string): number {
  return RANKED_WORDS.find(([prefix]) => word.startsWith(prefix))?.[1] ?? -1
}
