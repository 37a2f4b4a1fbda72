/** What a line says of an attribute: set, unset (`-a`), back to unspecified (`!a`), or a value (`a=b`). */
export type AttributeValue = boolean | null | string

/** One attribute on a line. */
export interface AttributeState {
  readonly name: string
  readonly value: AttributeValue
}

/** A pattern as `.gitattributes` and `.gitignore` have them; strings hold one character per byte. */
export interface PathPattern {
  readonly text: string
  /** Ended with a slash: matches directories only. */
  readonly directoryOnly: boolean
  /** Has no slash: compared with the last part of the path. */
  readonly basenameOnly: boolean
  /** How many characters at its beginning are no wildcards. */
  readonly literal: number
  /** A star and then no further wildcard. */
  readonly endsWith: boolean
}

/** A line that gives attributes to paths. */
export interface AttributeRule {
  readonly pattern: PathPattern
  readonly states: readonly AttributeState[]
}

/** The content of one `.gitattributes` file. */
export interface AttributeFile {
  readonly rules: readonly AttributeRule[]
  /** `[attr]name …` lines; the last one of a name counts. Only the root directory's are used. */
  readonly macros: ReadonlyMap<string, readonly AttributeState[]>
}

/** Lines of this many bytes or more are ignored, as git does. */
const LONGEST_LINE = 2048
const BLANKS = ' \t\r\n'
const MACRO_PREFIX = '[attr]'

/** Reads a `.gitattributes` file (`git: attr.c`, parse_attr_line). Lines that git ignores are ignored. */
export function parseAttributes(content: Uint8Array): AttributeFile {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1')
  const nul = text.indexOf('\0')
  const rules: AttributeRule[] = []
  const macros = new Map<string, readonly AttributeState[]>()
  for (const line of (nul < 0 ? text : text.slice(0, nul)).split('\n')) {
    if (line.length >= LONGEST_LINE) continue
    const start = skipBlanks(line, 0)
    if (start >= line.length || line[start] === '#') continue
    const quoted = line[start] === '"' ? unquote(line, start) : null
    const end = quoted?.end ?? findBlank(line, start)
    const name = quoted?.text ?? line.slice(start, end)
    const states = parseStates(line, skipBlanks(line, end))
    if (states === null) continue
    if (name.length > MACRO_PREFIX.length && name.startsWith(MACRO_PREFIX)) {
      const macro = macroName(name)
      if (macro !== null) macros.set(macro, states)
      continue
    }
    if (!name.startsWith('!')) rules.push({ pattern: parsePattern(name), states })
  }
  return { rules, macros }
}

function macroName(name: string): string | null {
  const start = skipBlanks(name, MACRO_PREFIX.length)
  const macro = name.slice(start, findBlank(name, start))
  return isAttributeName(macro) ? macro : null
}

/** One invalid name makes git ignore the whole line. */
function parseStates(line: string, start: number): AttributeState[] | null {
  const states: AttributeState[] = []
  for (let at = start; at < line.length; ) {
    const end = findBlank(line, at)
    const word = line.slice(at, end)
    const sign = word[0] === '-' || word[0] === '!' ? word[0] : ''
    const equals = word.indexOf('=')
    const name = word.slice(sign.length, equals < 0 ? undefined : equals)
    if (!isAttributeName(name)) return null
    const value = equals < 0 ? true : word.slice(equals + 1)
    states.push({ name, value: sign === '-' ? false : sign === '!' ? null : value })
    at = skipBlanks(line, end)
  }
  return states
}

function isAttributeName(name: string): boolean {
  return /^[A-Za-z0-9_.][-A-Za-z0-9_.]*$/.test(name)
}

function parsePattern(name: string): PathPattern {
  const nul = name.indexOf('\0')
  const whole = nul < 0 ? name : name.slice(0, nul)
  const directoryOnly = whole.endsWith('/')
  const text = directoryOnly ? whole.slice(0, -1) : whole
  const wildcard = wildcardAt(whole, 0)
  return {
    text,
    directoryOnly,
    basenameOnly: !text.includes('/'),
    literal: Math.min(wildcard < 0 ? whole.length : wildcard, text.length),
    endsWith: whole[0] === '*' && wildcardAt(whole, 1) < 0,
  }
}

function wildcardAt(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if ('*?[\\'.includes(text[at] ?? '')) return at
  }
  return -1
}

const ESCAPES: Partial<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

/** A C-style quoted word (`git: quote.c`, unquote_c_style); null when it is not well formed. */
function unquote(line: string, start: number): { text: string; end: number } | null {
  let text = ''
  for (let at = start + 1; at < line.length; at++) {
    const char = line[at] ?? ''
    if (char === '"') return { text, end: at + 1 }
    if (char !== '\\') {
      text += char
      continue
    }
    const next = line[++at] ?? ''
    const octal = line.slice(at, at + 3)
    if (/^[0-3][0-7]{2}$/.test(octal)) {
      text += String.fromCharCode(Number.parseInt(octal, 8))
      at += 2
    } else {
      const escaped = ESCAPES[next]
      if (escaped === undefined) return null
      text += escaped
    }
  }
  return null
}

function skipBlanks(text: string, start: number): number {
  let at = start
  while (at < text.length && BLANKS.includes(text[at] ?? '')) at++
  return at
}

function findBlank(text: string, start: number): number {
  let at = start
  while (at < text.length && !BLANKS.includes(text[at] ?? '')) at++
  return at
}
