import { isDigit, skipDigits } from './php-text.ts'

/** The part of a version after its numbers: `-beta.2`, `RC1-dev`, `_p3`, `.dev`. */
export interface VersionModifier {
  /** As written: `stable`, `beta`, `b`, `RC`, `alpha`, `a`, `patch`, `pl`, `p` in any case; empty when absent. */
  word: string
  /** Digits with their separators, as written: `.2`, `1`, `-2.1-3`. */
  number: string
  /** Whether it ends in `dev`. */
  dev: boolean
  /** Index after the modifier. */
  end: number
}

const WORDS = ['stable', 'beta', 'b', 'rc', 'alpha', 'a', 'patch', 'pl', 'p'] as const

/**
 * Reads the longest modifier at `index`; an absent one has no extent. Every part is optional and no part can begin
 * with what another ends with, so reading once from the left finds what Composer's backtracking expression finds, in
 * linear time. Composer: `VersionParser::$modifierRegex`.
 */
export function readModifier(text: string, index: number): VersionModifier {
  const afterSeparator = '._-'.includes(text.charAt(index) || ' ') ? index + 1 : index
  const word = readWord(text, afterSeparator)
  const numberStart = afterSeparator + word.length
  const numberEnd = word === '' ? numberStart : readNumber(text, numberStart)
  const devEnd = readDev(text, numberEnd)
  return {
    word,
    number: text.slice(numberStart, numberEnd),
    dev: devEnd > numberEnd,
    end: devEnd,
  }
}

function readWord(text: string, index: number): string {
  const candidate = text.slice(index, index + 6).toLowerCase()
  const word = WORDS.find((known) => candidate.startsWith(known))
  return word === undefined ? '' : text.slice(index, index + word.length)
}

function readNumber(text: string, index: number): number {
  let end = index
  for (;;) {
    const digits = text[end] === '.' || text[end] === '-' ? end + 1 : end
    if (!isDigit(text.charCodeAt(digits))) return end
    end = skipDigits(text, digits)
  }
}

function readDev(text: string, index: number): number {
  const start = text[index] === '.' || text[index] === '-' ? index + 1 : index
  return text.slice(start, start + 3).toLowerCase() === 'dev' ? start + 3 : index
}
