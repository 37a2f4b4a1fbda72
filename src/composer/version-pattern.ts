import { isBlank, skipDigits } from './php-text.ts'
import { readModifier } from './version-modifier.ts'

/** A version inside a range constraint, where it may be partial: `1`, `v1.2-beta`, `2.0.x-dev`, `1.2+build`. */
export interface VersionPattern {
  /** One to four numbers, digits as written. */
  numbers: string[]
  /** Whether it is a numeric branch, `.x-dev`. */
  branchSuffix: boolean
  /** Whether it names a stability, `dev` or a branch, so that nothing less finished is meant. */
  hasSuffix: boolean
  /** Index after it. */
  end: number
}

/** Reads a version pattern at `index`; null when there is none. Composer: `$versionRegex` in `VersionParser`. */
export function readVersionPattern(text: string, index: number): VersionPattern | null {
  const start = text[index] === 'v' || text[index] === 'V' ? index + 1 : index
  const numbers: string[] = []
  let end = start
  for (let position = start; numbers.length < 4; position = end + 1) {
    const numberEnd = skipDigits(text, position)
    if (numberEnd === position) break
    numbers.push(text.slice(position, numberEnd))
    end = numberEnd
    if (text[end] !== '.') break
  }
  if (numbers.length === 0) return null
  const modifier = readModifier(text, end)
  const branchEnd = mayFollow(text, modifier.end) ? end : readBranchSuffix(text, end)
  const branchSuffix = branchEnd > end
  return {
    numbers,
    branchSuffix,
    hasSuffix: branchSuffix || modifier.word !== '' || modifier.dev,
    end: skipBuildMetadata(text, branchSuffix ? branchEnd : modifier.end),
  }
}

/** What can stand after a modifier in a constraint: build metadata, a blank, the end. */
function mayFollow(text: string, index: number): boolean {
  return index >= text.length || text[index] === '+' || isBlank(text.charCodeAt(index))
}

function readBranchSuffix(text: string, index: number): number {
  return index + (/^\.[x*][.-]?dev/i.exec(text.slice(index, index + 6))?.[0].length ?? 0)
}

function skipBuildMetadata(text: string, index: number): number {
  if (text[index] !== '+') return index
  let end = index + 1
  while (end < text.length && !isBlank(text.charCodeAt(end))) end++
  return end > index + 1 ? end : index
}
