import type { VersionBound } from './constraint.ts'
import { isAtEnd } from './php-text.ts'
import type { ComparisonOperator } from './version-compare.ts'
import { readModifier } from './version-modifier.ts'
import { normalizeVersion, parseStability } from './version-parser.ts'
import { readVersionPattern, type VersionPattern } from './version-pattern.ts'

const ALIAS = /^([^, \t-\r]+) +as +[^, \t-\r]+\n?$/
const STABILITY_FLAG = /^([^, \t-\r@]*(?:@[^, \t-\r@]*)*)@(stable|RC|beta|alpha|dev)\n?$/i
const ANYTHING = /^(v)?[x*](\.[x*])*\n?$/i
const WILDCARD = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.[xX*])+\n?$/
const COMPARISON = /^(<>|!=|>=?|<=?|==?)?[ \t-\r]*(.*)/
const BRANCH_WITH_SUFFIX = /^[0-9a-zA-Z\-./]+\n?$/

/**
 * One part of a constraint, after splitting at `||`, spaces and commas: its bounds, `any`, or null when it is none.
 * Composer: `VersionParser::parseConstraint`.
 */
export function parseSingleConstraint(part: string): VersionBound[] | 'any' | null {
  const aliased = ALIAS.exec(part)?.[1] ?? part
  const flagged = STABILITY_FLAG.exec(aliased)
  const flag = flagged?.[2] === 'stable' ? undefined : flagged?.[2]
  const text = withoutReference(flagged === null ? aliased : flagged[1] || '*')
  const anything = ANYTHING.exec(text)
  if (anything !== null) return anything[1] || anything[2] ? [bound('>=', '0.0.0.0-dev')] : 'any'
  return tilde(text) ?? caret(text) ?? wildcard(text) ?? hyphen(text) ?? comparison(text, flag)
}

/** Removes `#commit` after a branch; Composer keeps it for itself. */
function withoutReference(text: string): string {
  const forbidden = text.search(/[, \t-\r@]/)
  const limit = forbidden === -1 ? text.length : forbidden
  const cut =
    text.slice(0, 4).toLowerCase() === 'dev-' ? text.indexOf('#', 5) : numericBranchReference(text.toLowerCase())
  if (cut === -1 || cut > limit || isAtEnd(text, cut + 1)) return text
  return isSingleLine(text, cut) ? text.slice(0, cut) : text
}

function numericBranchReference(lower: string): number {
  const suffix = lower.indexOf('.x-dev#', 1)
  return suffix === -1 ? -1 : suffix + '.x-dev'.length
}

function isSingleLine(text: string, from: number): boolean {
  const lineEnd = text.indexOf('\n', from)
  return lineEnd === -1 || lineEnd === text.length - 1
}

/** `~1.2` allows the last given number to grow. */
function tilde(text: string): VersionBound[] | null {
  if (text[0] !== '~') return null
  const pattern = readVersionPattern(text, 1)
  if (pattern === null || !isAtEnd(text, pattern.end)) return null
  const given = pattern.numbers.length + (pattern.branchSuffix ? 1 : 0)
  return range(text, pattern, Math.max(1, given - 1))
}

/** `^1.2` keeps the leftmost number that is not zero. */
function caret(text: string): VersionBound[] | null {
  if (text[0] !== '^') return null
  const pattern = readVersionPattern(text, 1)
  if (pattern === null || !isAtEnd(text, pattern.end)) return null
  const [major, minor, patch] = pattern.numbers
  if (major !== '0' || minor === undefined) return range(text, pattern, 1)
  return range(text, pattern, minor !== '0' || patch === undefined ? 2 : 3)
}

function range(text: string, pattern: VersionPattern, position: number): VersionBound[] | null {
  const low = normalizeVersion(`${text}${pattern.hasSuffix ? '' : '-dev'}`.slice(1))
  if (low === null) return null
  return [bound('>=', low), bound('<', `${increment(pattern.numbers, position)}-dev`)]
}

/** `1.2.*`. */
function wildcard(text: string): VersionBound[] | null {
  const match = WILDCARD.exec(text)
  if (match === null) return null
  const numbers = match.slice(1, 4).filter((number) => number !== undefined)
  const low = `${[...numbers, '0', '0', '0'].slice(0, 4).join('.')}-dev`
  const upper = bound('<', `${increment(numbers, numbers.length)}-dev`)
  return low === '0.0.0.0-dev' ? [upper] : [bound('>=', low), upper]
}

/** `1.2 - 2.0`, both ends included; an end with missing numbers includes all that begins with it. */
function hyphen(text: string): VersionBound[] | null {
  const from = readVersionPattern(text, 0)
  const separator = from === null ? null : / +- +/y
  if (from === null || separator === null) return null
  separator.lastIndex = from.end
  if (!separator.test(text)) return null
  const to = readVersionPattern(text, separator.lastIndex)
  if (to === null || !isAtEnd(text, to.end)) return null
  const low = normalizeVersion(text.slice(0, from.end))
  const high = normalizeVersion(text.slice(separator.lastIndex, to.end))
  if (low === null || high === null) return null
  const lower = bound('>=', from.hasSuffix ? low : `${low}-dev`)
  if (to.numbers.length >= 3 || to.hasSuffix) return [lower, bound('<=', high)]
  return [lower, bound('<', `${increment(to.numbers, to.numbers.length === 1 ? 1 : 2)}-dev`)]
}

/** `>=1.2`, `!=2.0`, or a version alone. */
function comparison(text: string, flag: string | undefined): VersionBound[] | null {
  const match = COMPARISON.exec(text)
  const written = match?.[2] ?? ''
  let version = normalizeVersion(written) ?? suffixedBranch(written)
  if (version === null) return null
  const operator = operatorOf(match?.[1])
  if (operator !== '==' && flag !== undefined && parseStability(version) === 'stable') {
    version += `-${flag}`
  } else if ((operator === '<' || operator === '>=') && !endsInModifier(written) && !written.startsWith('dev-')) {
    version += '-dev'
  }
  return [bound(operator, version)]
}

/** `foobar-dev`, which should have been written `dev-foobar`. */
function suffixedBranch(written: string): string | null {
  if (!written.endsWith('-dev') || !BRANCH_WITH_SUFFIX.test(written)) return null
  return normalizeVersion(`dev-${written.slice(0, -4)}`)
}

function operatorOf(written: string | undefined): ComparisonOperator {
  if (written === undefined || written === '' || written === '=') return '=='
  return written === '<>' ? '!=' : (written as ComparisonOperator)
}

/** Whether a dash and a modifier end the text. As in Composer, an `RC` in it is overlooked: the text is lower-cased. */
function endsInModifier(written: string): boolean {
  for (let dash = written.indexOf('-'); dash !== -1; dash = written.indexOf('-', dash + 1)) {
    const { word, end } = readModifier(written, dash + 1)
    if (isAtEnd(written, end) && word.toLowerCase() !== 'rc') return true
  }
  return false
}

/** Adds one to the number at `position` (1 to 4) and sets those after it to zero. */
function increment(numbers: readonly string[], position: number): string {
  const raised = numbers.slice(0, position)
  raised[position - 1] = String(BigInt(numbers[position - 1] || '0') + 1n)
  return [...raised, '0', '0', '0'].slice(0, 4).join('.')
}

function bound(operator: ComparisonOperator, version: string): VersionBound {
  return { kind: 'compare', operator, version }
}
