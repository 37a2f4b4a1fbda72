import { isAtEnd, isDigit, lowerAscii, skipDigits, trimPhp } from './php-text.ts'
import { readModifier, type VersionModifier } from './version-modifier.ts'

/** How finished a version is, from most to least; Composer's spelling. */
export type Stability = 'stable' | 'RC' | 'beta' | 'alpha' | 'dev'

/** Longest version or branch name that is read, in UTF-16 units. Composer has no bound; a stranger's tag needs one. */
export const MAX_VERSION_LENGTH = 255

const ALIAS = /^([^, \t-\r]+) +as +[^, \t-\r]+$/
const STABILITY_FLAG = /@(?:stable|RC|beta|alpha|dev)$/i
const BUILD_METADATA = /^([^, \t-\r+]+)\+[^ \t-\r]+$/
const DATE = /^\d{4}(?:[.:-]?\d{2}){1,6}(?:[.:-]?\d{1,3}){0,2}$/
const LONGEST_DATE = 30
const NUMERIC_BRANCH = /^v?(\d+)(\.(?:\d+|[x*]))?(\.(?:\d+|[x*]))?(\.(?:\d+|[x*]))?\n?$/i
const NUMERIC_ALIAS = /^(\d+(?:\.\d+)*)(?:\.x)?-dev\n?$/i

/**
 * The comparable form of a version: `v1.2` gives `1.2.0.0`, `1.x-dev` gives `1.9999999.9999999.9999999-dev`. Null when
 * Composer refuses it, or when it is longer than `MAX_VERSION_LENGTH`. Composer: `VersionParser::normalize`.
 */
export function normalizeVersion(version: string): string | null {
  if (version.length > MAX_VERSION_LENGTH) return null
  let text = trimPhp(version)
  text = ALIAS.exec(text)?.[1] ?? text
  text = text.replace(STABILITY_FLAG, '')
  if (text === 'master' || text === 'trunk' || text === 'default') return `dev-${text}`
  if (text.slice(0, 4).toLowerCase() === 'dev-') return `dev-${text.slice(4)}`
  text = BUILD_METADATA.exec(text)?.[1] ?? text
  return classicalVersion(text) ?? dateVersion(text) ?? suffixedBranch(text)
}

/**
 * The version of a branch: numeric ones become comparable (`1.x` gives `1.9999999.9999999.9999999-dev`), others `dev-`
 * and the name. Never fails. Composer: `VersionParser::normalizeBranch`.
 */
export function normalizeBranch(branch: string): string {
  const name = trimPhp(branch)
  const parts = NUMERIC_BRANCH.exec(name)
  if (parts === null) return `dev-${name}`
  const numbers = parts.slice(1, 5).map((part) => part ?? '.x')
  return `${numbers.join('').replace(/[xX*]/g, '9999999')}-dev`
}

/** How finished a version is, written in any form; text after `#` is ignored. Composer: `VersionParser::parseStability`. */
export function parseStability(version: string): Stability {
  const text = withoutReference(version)
  if (text.startsWith('dev-') || text.endsWith('-dev')) return 'dev'
  const modifier = lastModifier(text)
  if (modifier?.dev) return 'dev'
  switch (lowerAscii(modifier?.word ?? '')) {
    case 'beta':
    case 'b':
      return 'beta'
    case 'alpha':
    case 'a':
      return 'alpha'
    case 'rc':
      return 'RC'
    default:
      return 'stable'
  }
}

/** The numbers of a numeric branch version with a dot after them: `2.1.x-dev` gives `2.1.`; null for any other. */
export function numericAliasPrefix(version: string): string | null {
  const numbers = NUMERIC_ALIAS.exec(version)?.[1]
  return numbers === undefined ? null : `${numbers}.`
}

function classicalVersion(text: string): string | null {
  let index = text[0] === 'v' || text[0] === 'V' ? 1 : 0
  const majorEnd = skipDigits(text, index)
  if (majorEnd === index || majorEnd - index > 5) return null
  let numbers = text.slice(index, majorEnd)
  index = majorEnd
  for (let part = 0; part < 3; part++) {
    const end = text[index] === '.' ? skipDigits(text, index + 1) : index
    const present = end > index + 1
    numbers += present ? text.slice(index, end) : '.0'
    if (present) index = end
  }
  return withModifier(numbers, text, index)
}

function dateVersion(text: string): string | null {
  const start = text[0] === 'v' || text[0] === 'V' ? 1 : 0
  let end = start
  while (isDatePart(text.charCodeAt(end))) end++
  while (end > start && !isDigit(text.charCodeAt(end - 1))) end--
  if (end - start > LONGEST_DATE) return null
  const date = text.slice(start, end)
  return DATE.test(date) ? withModifier(date.replace(/[.:-]/g, '.'), text, end) : null
}

function isDatePart(code: number): boolean {
  return isDigit(code) || code === 0x2d || code === 0x2e || code === 0x3a
}

function withModifier(numbers: string, text: string, index: number): string | null {
  const { word, number, dev, end } = readModifier(text, index)
  if (!isAtEnd(text, end)) return null
  if (word === 'stable') return numbers
  const suffix = word === '' ? '' : `-${expandWord(word)}${number.replace(/^[.-]+/, '')}`
  return `${numbers}${suffix}${dev ? '-dev' : ''}`
}

function expandWord(word: string): string {
  const lower = word.toLowerCase()
  switch (lower) {
    case 'a':
      return 'alpha'
    case 'b':
      return 'beta'
    case 'p':
    case 'pl':
      return 'patch'
    case 'rc':
      return 'RC'
    default:
      return lower
  }
}

/** `1.x-dev` as a version: accepted only where the part before `dev` is a numeric branch. */
function suffixedBranch(text: string): string | null {
  const end = isAtEnd(text, text.length - 1) ? text.length - 1 : text.length
  if (text.slice(end - 3, end).toLowerCase() !== 'dev' || end < 3) return null
  const separator = text[end - 4] === '.' || text[end - 4] === '-' ? 1 : 0
  const line = text.slice(text.lastIndexOf('\n', end - 1) + 1, end - 3 - separator)
  const branch = normalizeBranch(line)
  return branch.startsWith('dev-') ? null : branch
}

function withoutReference(version: string): string {
  const lineStart = version.lastIndexOf('\n', version.length - 2) + 1
  const reference = version.indexOf('#', lineStart)
  return reference === -1 || isAtEnd(version, reference + 1) ? version : version.slice(0, reference)
}

/** The leftmost modifier that reaches the end of the version or its build metadata. */
function lastModifier(text: string): VersionModifier | null {
  const lineStart = text.lastIndexOf('\n', text.length - 2) + 1
  for (let index = 0; index < text.length; index++) {
    const modifier = readModifier(text, index)
    const { end } = modifier
    if (isAtEnd(text, end) || (text[end] === '+' && end >= lineStart)) return modifier
  }
  return null
}
