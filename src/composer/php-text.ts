/**
 * PHP's text rules where they differ from JavaScript's: ASCII blanks, and PCRE's `$`, which also matches before one
 * final line feed. The version grammar depends on both.
 */

/** PHP `trim`: removes space, tab, LF, CR, NUL and VT at both ends; no form feed and nothing beyond ASCII. */
export function trimPhp(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isTrimmed(text.charCodeAt(start))) start++
  while (end > start && isTrimmed(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isTrimmed(code: number): boolean {
  return code === 0x20 || code === 0 || (code >= 0x09 && code <= 0x0d && code !== 0x0c)
}

/** PCRE `\s` without Unicode: space, tab, LF, VT, FF and CR. */
export function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

/** PCRE `\d` without Unicode. */
export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** PCRE `$`: at the end of `text`, or before a line feed that ends it. */
export function isAtEnd(text: string, index: number): boolean {
  return index >= text.length || (index === text.length - 1 && text[index] === '\n')
}

/** Index of the first character at or after `index` that is no digit. */
export function skipDigits(text: string, index: number): number {
  let end = index
  while (isDigit(text.charCodeAt(end))) end++
  return end
}

/** PHP `strtolower`: ASCII letters only, so that a name never grows or changes under Unicode folding. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
