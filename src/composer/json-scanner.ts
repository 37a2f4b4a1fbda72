import { AppError } from '../errors.ts'

/**
 * Deepest nesting that is read. PHP's `json_decode` stops at 512, and a metadata file, a lock file or another repository
 * wraps our objects a few levels deeper: one manifest at the limit would make the whole document unreadable.
 */
export const MAX_JSON_DEPTH = 500

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const LITERAL = /true|false|null/y
const ESCAPE =
  /\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))/y

/**
 * Checks a whole JSON text in one linear pass and returns its top-level fields, compact. Accepts exactly what PHP's
 * `json_decode` accepts: no lone surrogates, at most `MAX_JSON_DEPTH` levels. Throws `AppError('invalid')`.
 */
export function scanJsonObject(text: string): Map<string, string> {
  return new JsonScanner(text).object()
}

/**
 * Reads a JSON text once from its beginning to its end, as `scanJsonObject` does, for who wants the insides of some
 * values and only the text of others. Whatever stands at the index must be read before what follows it.
 */
export class JsonScanner {
  readonly #text: string
  #index = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The whole text as an object. */
  object(): Map<string, string> {
    return this.#whole(() => this.fields())
  }

  /** The whole text as an object, each member read by `member`, which must read the value of the key it gets. */
  document(member: (key: string) => void): void {
    this.#whole(() => this.members(member))
  }

  /** Where in the text it stands: after `next` at the first character of a value, after a value behind its last. */
  get position(): number {
    return this.#index
  }

  /** What kind of value comes next. */
  next(): 'object' | 'list' | 'other' {
    this.#skipBlanks()
    const first = this.#text[this.#index]
    return first === '{' ? 'object' : first === '[' ? 'list' : 'other'
  }

  /** The members of the object that comes next; a key that occurs twice has its last value at its first place. */
  fields(): Map<string, string> {
    const fields = new Map<string, string>()
    this.members((key) => fields.set(key, this.value()))
    return fields
  }

  /** Goes through the object that comes next; `member` must read the value of the key it gets. */
  members(member: (key: string) => void): void {
    this.#between('}', () => member(JSON.parse(this.#key())))
  }

  /** Goes through the list that comes next; `item` must read one value. */
  items(item: () => void): void {
    this.#between(']', item)
  }

  #whole<T>(read: () => T): T {
    if (this.next() !== 'object') this.#refuseOther()
    const result = read()
    this.#skipBlanks()
    if (this.#index < this.#text.length) this.#refuse()
    return result
  }

  /** A valid text of another kind has another reason than a broken one. */
  #refuseOther(): never {
    this.value()
    this.#skipBlanks()
    if (this.#index < this.#text.length) this.#refuse()
    throw new AppError('invalid', 'the file is JSON, but no object')
  }

  /** Any value that comes next, without blanks. */
  value(): string {
    this.#skipBlanks()
    switch (this.#text[this.#index]) {
      case '{':
        return this.#nestedObject()
      case '[':
        return this.#list()
      case '"':
        return this.#string()
      default:
        return this.#match(NUMBER) ?? this.#match(LITERAL) ?? this.#refuse()
    }
  }

  #nestedObject(): string {
    const members: string[] = []
    this.#between('}', () => members.push(`${this.#key()}:${this.value()}`))
    return `{${members.join(',')}}`
  }

  #list(): string {
    const items: string[] = []
    this.#between(']', () => items.push(this.value()))
    return `[${items.join(',')}]`
  }

  /** Reads from an opening bracket to its closing one, with commas between what `member` reads. */
  #between(close: string, member: () => void): void {
    if (++this.#depth > MAX_JSON_DEPTH) {
      throw new AppError('invalid', `JSON nested deeper than ${MAX_JSON_DEPTH} levels at line ${this.#line()}`)
    }
    this.#index++
    this.#skipBlanks()
    if (this.#text[this.#index] !== close) {
      member()
      this.#skipBlanks()
      while (this.#text[this.#index] === ',') {
        this.#index++
        member()
        this.#skipBlanks()
      }
      if (this.#text[this.#index] !== close) this.#refuse()
    }
    this.#index++
    this.#depth--
  }

  #key(): string {
    this.#skipBlanks()
    if (this.#text[this.#index] !== '"') this.#refuse()
    const key = this.#string()
    this.#skipBlanks()
    if (this.#text[this.#index] !== ':') this.#refuse()
    this.#index++
    return key
  }

  #string(): string {
    const start = this.#index++
    for (;;) {
      const code = this.#text.charCodeAt(this.#index)
      if (code === 0x5c) {
        if (this.#match(ESCAPE) === null) this.#refuse()
      } else if (code === 0x22) {
        this.#index++
        return this.#text.slice(start, this.#index)
      } else if (code >= 0x20) {
        this.#index++
      } else {
        // A control character, or NaN: the text ended inside the string.
        this.#refuse()
      }
    }
  }

  #match(expression: RegExp): string | null {
    expression.lastIndex = this.#index
    const match = expression.exec(this.#text)?.[0] ?? null
    this.#index += match?.length ?? 0
    return match
  }

  #skipBlanks(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#index)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#index++
    }
  }

  #refuse(): never {
    throw new AppError('invalid', `invalid JSON at line ${this.#line()}`)
  }

  #line(): number {
    let line = 1
    for (let index = this.#text.indexOf('\n'); index !== -1 && index < this.#index; line++) {
      index = this.#text.indexOf('\n', index + 1)
    }
    return line
  }
}
