import { isAtEnd, isBlank, trimPhp } from './php-text.ts'

/** The alternatives of a constraint, between `|` or `||`. Composer: first split in `VersionParser::parseConstraints`. */
export function splitAlternatives(constraint: string): string[] {
  const text = trimPhp(constraint)
  const alternatives: string[] = []
  let start = 0
  for (let index = text.indexOf('|'); index !== -1; index = text.indexOf('|', start)) {
    alternatives.push(text.slice(start, blanksBefore(text, start, index)))
    start = blanksAfter(text, text[index + 1] === '|' ? index + 2 : index + 1)
  }
  alternatives.push(text.slice(start))
  return alternatives
}

function blanksBefore(text: string, start: number, index: number): number {
  let end = index
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return end
}

function blanksAfter(text: string, index: number): number {
  let start = index
  while (isBlank(text.charCodeAt(start))) start++
  return start
}

/**
 * The parts of one alternative that must all match, between spaces or a comma, but not the spaces of ` as ` and ` - `
 * nor those after an operator. Same cuts as Composer's expression
 * `(?<!^|as|[=>< ,]) *(?<!-)[, ](?!-) *(?!,|as|$)`, found in one pass: each run of spaces is looked at once.
 */
export function splitConjunction(alternative: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let index = 1; index < alternative.length; index++) {
    if (!mayBeginCut(alternative, index)) continue
    const end = cutEnd(alternative, index)
    if (end === null) continue
    parts.push(alternative.slice(start, index))
    start = end
    index = end - 1
  }
  parts.push(alternative.slice(start))
  return parts
}

function mayBeginCut(text: string, index: number): boolean {
  const code = text[index]
  if (code !== ' ' && code !== ',') return false
  return !'=>< ,'.includes(text.charAt(index - 1)) && text.slice(index - 2, index) !== 'as'
}

/** Where the cut that begins at `index` ends, or null; tries what a greedy expression tries, longest run first. */
function cutEnd(text: string, index: number): number | null {
  const run = spacesFrom(text, index)
  const afterDash = text[index - 1] === '-'
  if (text[run] === ',' && (run > index || !afterDash) && text[run + 1] !== '-') {
    const end = spacesFrom(text, run + 1)
    if (mayFollowCut(text, end)) return end
    if (end > run + 1) return end - 1
  }
  const spaces = run - index
  if (spaces >= 1 && text[run] !== '-' && (spaces > 1 || !afterDash) && mayFollowCut(text, run)) return run
  if (spaces >= 2 && (spaces > 2 || !afterDash)) return mayFollowCut(text, run) ? run : run - 1
  return null
}

function spacesFrom(text: string, index: number): number {
  let end = index
  while (text[end] === ' ') end++
  return end
}

function mayFollowCut(text: string, index: number): boolean {
  return !isAtEnd(text, index) && text[index] !== ',' && !text.startsWith('as', index)
}
