import { withoutControls } from '../printable.ts'

/** Longest address that is served, in characters. */
const LONGEST_ADDRESS = 2_000

/**
 * A text of a stranger as one line of at most `longest` characters: what would steer a terminal, turn the direction of
 * writing or end the line is taken out. Null when nothing is left, or when it is no text.
 */
export function plainText(value: unknown, longest: number): string | null {
  if (typeof value !== 'string') return null
  const line = withoutControls(value.slice(0, longest * 2).toWellFormed())
    .trim()
    .slice(0, longest)
  return line === '' ? null : line.toWellFormed()
}

/** An http or https address without a user, as it was written; null for anything else. */
export function plainAddress(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > LONGEST_ADDRESS || !/^https?:\/\/[\x21-\x7e]+$/i.test(value))
    return null
  const url = URL.canParse(value) ? new URL(value) : null
  return url !== null && url.username === '' && url.password === '' ? value : null
}
