import type { StepBudget } from './wildmatch.ts'

/**
 * Matches one character with the class that begins at `start` with `[` (`git: wildmatch.c`). Returns the place of the
 * closing bracket when it matches, -1 when it does not, null when the class is malformed.
 */
export function matchClass(pattern: string, start: number, char: string, budget: StepBudget): number | null {
  let p = start + 1
  const negated = pattern[p] === '!' || pattern[p] === '^'
  if (negated) p++
  let matched = false
  let previous = ''
  // A bracket in first place belongs to the class, so the end is looked for only after one member.
  do {
    if (--budget.steps < 0) return null
    const member = readMember(pattern, p, previous, char)
    if (member === null) return null
    matched ||= member.matched
    previous = member.previous
    p = member.end + 1
  } while (pattern[p] !== ']')
  return matched === negated ? -1 : p
}

interface Member {
  matched: boolean
  /** The last place of the member. */
  end: number
  /** What a range may begin with; empty after a range or a named class. */
  previous: string
}

function readMember(pattern: string, p: number, previous: string, char: string): Member | null {
  const first = pattern[p]
  if (first === undefined) return null
  if (first === '\\') {
    const escaped = pattern[p + 1]
    return escaped === undefined ? null : { matched: char === escaped, end: p + 1, previous: escaped }
  }
  const next = pattern[p + 1]
  if (first === '-' && previous !== '' && next !== undefined && next !== ']') {
    const end = next === '\\' ? p + 2 : p + 1
    const last = pattern[end]
    return last === undefined ? null : { matched: char >= previous && char <= last, end, previous: '' }
  }
  if (first === '[' && next === ':') return readNamedClass(pattern, p, char)
  return { matched: char === first, end: p, previous: first }
}

function readNamedClass(pattern: string, p: number, char: string): Member | null {
  const close = pattern.indexOf(']', p + 2)
  if (close < 0) return null
  // Without `:]` it is an ordinary set that contains a bracket.
  if (close - 1 < p + 2 || pattern[close - 1] !== ':') return { matched: char === '[', end: p, previous: '[' }
  const matches = NAMED_CLASSES[pattern.slice(p + 2, close - 1)]
  return matches === undefined ? null : { matched: matches(char.charCodeAt(0)), end: close, previous: '' }
}

const isDigit = (code: number) => code >= 0x30 && code <= 0x39
const isUpper = (code: number) => code >= 0x41 && code <= 0x5a
const isLower = (code: number) => code >= 0x61 && code <= 0x7a
const isGraph = (code: number) => code > 0x20 && code < 0x7f
const isAlnum = (code: number) => isDigit(code) || isUpper(code) || isLower(code)

/** ASCII only, as git has it. */
const NAMED_CLASSES: Partial<Record<string, (code: number) => boolean>> = {
  alnum: isAlnum,
  alpha: (code) => isUpper(code) || isLower(code),
  blank: (code) => code === 0x20 || code === 0x09,
  cntrl: (code) => code < 0x20 || code === 0x7f,
  digit: isDigit,
  graph: isGraph,
  lower: isLower,
  print: (code) => code === 0x20 || isGraph(code),
  punct: (code) => isGraph(code) && !isAlnum(code),
  space: (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d),
  upper: isUpper,
  xdigit: (code) => isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66),
}
