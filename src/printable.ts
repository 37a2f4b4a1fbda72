/*
 * What steers whoever shows a text: control characters (C0, DEL, C1), marks that turn the direction of writing, ends of
 * lines and paragraphs, and the byte order mark.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/
const RUNS_OF_IT = new RegExp(`${STEERING.source}+`, 'g')
const EACH_OF_IT = new RegExp(STEERING.source, 'g')

/** True when a text holds characters that could move a cursor, forge a line, or make it read as another one. */
export function hasControls(text: string): boolean {
  return STEERING.test(text)
}

/** The text with such characters taken out, a blank for each run of them; for terminals, logs and lists. */
export function withoutControls(text: string): string {
  return text.replace(RUNS_OF_IT, ' ')
}

/** The same for a text of several lines, which stay. */
export function withoutControlsInLines(text: string): string {
  return text.split('\n').map(withoutControls).join('\n')
}

/** JSON on one or more lines with such characters escaped, so that it means the same and steers nobody. */
export function escapedJson(json: string): string {
  const escaped = (sign: string) => (sign === '\n' ? sign : `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return json.replace(EACH_OF_IT, escaped)
}
