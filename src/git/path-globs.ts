import { AppError } from '../errors.ts'
import { gitFailure } from './failure.ts'
import { matchWild, type StepBudget } from './wildmatch.ts'

/** What the globs still want below a directory. Equal states are one object. */
export interface GlobState {
  readonly id: number
  /** Places in the globs that the next part of a path is compared with, in order. */
  readonly places: readonly number[]
}

/** One part of a glob between slashes. */
interface Part {
  /** One character per byte. */
  readonly text: string
  readonly kind: 'literal' | 'wild' | 'any-depth'
  readonly isLast: boolean
}

/** Trees that are asked for with the commits: beyond, what no glob leads to would outweigh a further request. */
const DEEPEST_FIRST_LOOK = 4
const ANY_DEPTH = '**'

/**
 * Globs of paths, followed part by part: `*`, `?` and classes as git matches them inside one part (`git: wildmatch.c`),
 * and `**` as a whole part for any number of directories. Names and globs are compared byte by byte.
 */
export class PathGlobs {
  readonly start: GlobState
  /** Levels of trees that are worth asking for at once; 1 is the root alone. */
  readonly firstLook: number
  readonly #parts: Part[] = []
  readonly #states = new Map<string, GlobState>()
  readonly #budget: StepBudget

  /** `steps` bounds the comparisons. Throws AppError('invalid') for a path that is not relative, or leads outside. */
  constructor(globs: readonly string[], steps: number) {
    this.#budget = { steps }
    const beginnings: number[] = []
    let firstLook = 1
    for (const glob of globs) {
      beginnings.push(this.#parts.length)
      const parts = partsOf(glob)
      const open = parts.findIndex((part) => part.kind === 'any-depth')
      firstLook = Math.max(firstLook, open < 0 ? parts.length : open + 1)
      this.#parts.push(...parts)
    }
    this.firstLook = Math.min(firstLook, DEEPEST_FIRST_LOOK)
    this.start = this.#state(beginnings)
  }

  /** What the globs want below a directory of this name; null when they want nothing there. */
  enter({ places }: GlobState, name: string): GlobState | null {
    const next: number[] = []
    for (const place of places) {
      const part = this.#parts[place]
      if (part?.kind === 'any-depth') next.push(place)
      else if (part !== undefined && !part.isLast && this.#fits(part, name)) next.push(place + 1)
    }
    return next.length === 0 ? null : this.#state(next)
  }

  /** True when a file of this name is what a glob names. */
  names({ places }: GlobState, name: string): boolean {
    return places.some((place) => {
      const part = this.#parts[place]
      return part?.isLast === true && this.#fits(part, name)
    })
  }

  #fits(part: Part, name: string): boolean {
    if (part.kind === 'literal') return part.text === name
    const fits = matchWild(part.text, name, true, this.#budget)
    if (this.#budget.steps < 0) throw gitFailure('too_large', 'The globs of paths take too much work to apply.')
    return fits
  }

  /** `**` also stands for no directory, so the part behind it is compared with the same name. */
  #state(places: readonly number[]): GlobState {
    const reached = new Set<number>()
    for (let place of places) {
      reached.add(place)
      while (this.#parts[place]?.kind === 'any-depth') reached.add(++place)
    }
    const sorted = [...reached].sort((a, b) => a - b)
    const key = sorted.join(' ')
    const known = this.#states.get(key)
    if (known !== undefined) return known
    const state = { id: this.#states.size, places: sorted }
    this.#states.set(key, state)
    return state
  }
}

function partsOf(glob: string): Part[] {
  const texts = glob.split('/')
  const last = texts.length - 1
  if (texts.some((text) => text === '' || text === '.' || text === '..') || glob.includes('\0')) {
    throw new AppError('invalid', 'The path of a file in a repository must be relative, without "." or ".." parts.')
  }
  if (texts[last] === ANY_DEPTH) {
    throw new AppError('invalid', 'A glob of files must end with the name of a file.')
  }
  return texts.map((text, index) => ({
    text: Buffer.from(text, 'utf8').toString('latin1'),
    kind: kindOf(text),
    isLast: index === last,
  }))
}

function kindOf(text: string): Part['kind'] {
  if (text === ANY_DEPTH) return 'any-depth'
  return /[*?[\\]/.test(text) ? 'wild' : 'literal'
}
