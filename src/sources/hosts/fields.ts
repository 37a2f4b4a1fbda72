import { hostFailure } from './failure.ts'

/** Longest text taken from an answer, in characters; a longer one is no name, no address and no description. */
const LONGEST_TEXT = 10_000

/** An object of an answer, read field by field: nothing is taken to be what it should be. */
export class Fields {
  private constructor(
    private readonly where: string,
    private readonly value: Readonly<Record<string, unknown>>,
  ) {}

  /** `where` names the host, for sentences. Throws AppError('upstream') with reason `protocol` for anything else. */
  static of(where: string, value: unknown): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw hostFailure('protocol', `${where} answered with something that is no object.`)
    }
    return new Fields(where, value as Record<string, unknown>)
  }

  /** Each object of a list of at most `most`. */
  static list(where: string, value: unknown, most: number): Fields[] {
    if (!Array.isArray(value) || value.length > most) {
      throw hostFailure('protocol', `${where} answered with something that is no list of at most ${most}.`)
    }
    return value.map((each) => Fields.of(where, each))
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.wrong(name, 'text')
  }

  /** Null when it is absent, null or empty. */
  optionalText(name: string): string | null {
    const value = this.value[name]
    if (value === undefined || value === null || value === '') return null
    if (typeof value !== 'string' || value.length > LONGEST_TEXT || value.includes('\0')) {
      return this.wrong(name, 'text of at most 10,000 characters')
    }
    return value
  }

  /** A whole number as text, for ids. */
  id(name: string): string {
    const value = this.value[name]
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return String(value)
    return this.wrong(name, 'an id')
  }

  /** False when it is absent or null. */
  flag(name: string): boolean {
    const value = this.value[name] ?? false
    return typeof value === 'boolean' ? value : this.wrong(name, 'true or false')
  }

  /** A date as Unix seconds; null when it is absent or null. */
  optionalDate(name: string): number | null {
    const text = this.optionalText(name)
    if (text === null) return null
    const date = Date.parse(text)
    return Number.isNaN(date) ? this.wrong(name, 'a date') : Math.floor(date / 1000)
  }

  /** An address of http or https without credentials. */
  url(name: string): string {
    const text = this.text(name)
    const url = URL.canParse(text) ? new URL(text) : null
    const usable = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
    return usable ? text : this.wrong(name, 'an http or https address')
  }

  object(name: string): Fields {
    return Fields.of(this.where, this.value[name])
  }

  /** Null when it is absent, null or no object. */
  optionalObject(name: string): Fields | null {
    const value = this.value[name]
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Fields.of(this.where, value) : null
  }

  list(name: string, most: number): Fields[] {
    return Fields.list(this.where, this.value[name] ?? [], most)
  }

  /** The objects of a list; what is no object is left out. */
  objects(name: string, most: number): Fields[] {
    const value = this.value[name]
    const list: unknown[] = Array.isArray(value) ? value.slice(0, most) : []
    return list
      .filter((each) => typeof each === 'object' && each !== null && !Array.isArray(each))
      .map((each) => Fields.of(this.where, each))
  }

  /** The texts of a list; what is no text is left out. */
  texts(name: string, most: number): string[] {
    const value = this.value[name]
    return Array.isArray(value) ? value.slice(0, most).filter((each) => typeof each === 'string') : []
  }

  has(name: string): boolean {
    return this.value[name] !== undefined && this.value[name] !== null
  }

  private wrong(name: string, expected: string): never {
    throw hostFailure('protocol', `${this.where} answered with a “${name}” that is not ${expected}.`)
  }
}
