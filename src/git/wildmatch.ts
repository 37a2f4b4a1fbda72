import { matchClass } from './wildmatch-class.ts'

/** Counts steps of matching, so that patterns of a stranger cannot keep the server busy. */
export interface StepBudget {
  /** Steps left; `matchWild` takes from it and stops when it is below zero. */
  steps: number
}

const NO_MATCH = 0
const MATCH = 1
/** Nothing further to the right in the text can match either. */
const ABORT_ALL = 2
/** Only a `**` further to the left can still help. */
const ABORT_TO_STARSTAR = 3
type Outcome = 0 | 1 | 2 | 3

/**
 * Git's own wildcard matching (`git: wildmatch.c`), quirks included, on strings of one character per byte. With
 * `pathname`, `*`, `?` and classes do not match a slash and `**` between slashes does; without, `*` matches anything.
 * Every pair of places in pattern and text is decided once, so that the work is bounded by their product.
 */
export function matchWild(pattern: string, text: string, pathname: boolean, budget: StepBudget): boolean {
  return new Wildmatch(pattern, text, pathname, budget).decide(0, 0) === MATCH
}

class Wildmatch {
  readonly #pattern: string
  readonly #text: string
  readonly #pathname: boolean
  readonly #budget: StepBudget
  readonly #decided: Map<number, Outcome> = new Map()

  constructor(pattern: string, text: string, pathname: boolean, budget: StepBudget) {
    this.#pattern = pattern
    this.#text = text
    this.#pathname = pathname
    this.#budget = budget
  }

  match(patternStart: number, textStart: number): Outcome {
    const key = patternStart * (this.#text.length + 1) + textStart
    const known = this.#decided.get(key)
    if (known !== undefined) return known
    const outcome = this.decide(patternStart, textStart)
    this.#decided.set(key, outcome)
    return outcome
  }

  decide(patternStart: number, textStart: number): Outcome {
    const pattern = this.#pattern
    let p = patternStart
    let t = textStart
    for (; p < pattern.length; p++, t++) {
      if (--this.#budget.steps < 0) return ABORT_ALL
      const wanted = pattern[p]
      const char = this.#text[t]
      if (wanted === '*') return this.#star(p, t)
      if (char === undefined) return ABORT_ALL
      if (wanted === '?') {
        if (this.#pathname && char === '/') return NO_MATCH
      } else if (wanted === '[') {
        const end = matchClass(pattern, p, char, this.#budget)
        if (end === null) return ABORT_ALL
        if (end < 0 || (this.#pathname && char === '/')) return NO_MATCH
        p = end
      } else {
        if (wanted === '\\') p++
        if (char !== pattern[p]) return NO_MATCH
      }
    }
    return t < this.#text.length ? NO_MATCH : MATCH
  }

  /** One or more stars. Two of them cross slashes only where a path part begins and ends. */
  #star(star: number, t: number): Outcome {
    const pattern = this.#pattern
    let p = star + 1
    let crossesSlash = !this.#pathname
    if (pattern[p] === '*') {
      while (pattern[p] === '*') p++
      const opens = star === 0 || pattern[star - 1] === '/'
      const closes = p >= pattern.length || pattern[p] === '/' || (pattern[p] === '\\' && pattern[p + 1] === '/')
      if (this.#pathname && opens && closes) {
        if (pattern[p] === '/' && this.match(p + 1, t) === MATCH) return MATCH
        crossesSlash = true
      }
    }
    if (p >= pattern.length) return crossesSlash || this.#text.indexOf('/', t) < 0 ? MATCH : NO_MATCH
    if (!crossesSlash && pattern[p] === '/') {
      const slash = this.#text.indexOf('/', t)
      return slash < 0 ? NO_MATCH : this.match(p + 1, slash + 1)
    }
    return this.#anyLength(p, t, crossesSlash)
  }

  #anyLength(p: number, start: number, crossesSlash: boolean): Outcome {
    const literal = this.#pattern[p] ?? ''
    const isLiteral = !'*?[\\'.includes(literal)
    for (let t = start; t < this.#text.length; t++) {
      if (--this.#budget.steps < 0) return ABORT_ALL
      if (isLiteral) {
        while (t < this.#text.length && (crossesSlash || this.#text[t] !== '/') && this.#text[t] !== literal) t++
        if (this.#text[t] !== literal) return NO_MATCH
      }
      const outcome = this.match(p, t)
      if (outcome !== NO_MATCH) {
        if (!crossesSlash || outcome !== ABORT_TO_STARSTAR) return outcome
      } else if (!crossesSlash && this.#text[t] === '/') {
        return ABORT_TO_STARSTAR
      }
    }
    return ABORT_ALL
  }
}
