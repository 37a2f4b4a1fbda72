import type { AttributeFile, AttributeRule, AttributeState, AttributeValue, PathPattern } from './attribute-rules.ts'
import { gitFailure } from './failure.ts'
import { matchWild, type StepBudget } from './wildmatch.ts'

/** `.gitattributes` files that apply in a directory: its own, then those of the directories above. */
export interface AttributeScope {
  readonly above: AttributeScope | null
  /** The directory, without a slash at its end; empty for the root. One character per byte. */
  readonly directory: string
  readonly rules: readonly AttributeRule[]
}

type Macros = ReadonlyMap<string, readonly AttributeState[]>

/** `binary` is the one macro that git brings along. */
const BUILT_IN: [string, readonly AttributeState[]][] = [
  ['binary', ['diff', 'merge', 'text'].map((name) => ({ name, value: false }))],
]

/**
 * Finds the attributes of paths as `git archive` does (`git: attr.c`, gitattributes(5)): the deepest file wins, within a
 * file the last line; macros come from the root only. `wanted` are the attributes that will be asked for.
 */
export class AttributeMatcher {
  readonly #macros: Macros
  readonly #relevant: ReadonlySet<string>
  readonly #budget: StepBudget

  constructor(root: AttributeFile | null, wanted: readonly string[], budget: StepBudget) {
    this.#macros = new Map([...BUILT_IN, ...(root?.macros ?? [])])
    this.#relevant = relevantNames(wanted, this.#macros)
    this.#budget = budget
  }

  /** The scope of a directory that has a `.gitattributes` file; lines without a wanted attribute are dropped. */
  scope(above: AttributeScope | null, directory: string, file: AttributeFile): AttributeScope {
    const rules = file.rules.filter((rule) => rule.states.some((state) => this.#relevant.has(state.name)))
    return { above, directory, rules }
  }

  /**
   * The attributes of a path; what is unspecified is absent or null. `scope` belongs to the directory that holds it.
   * Throws `too_large` when patterns and paths are too many for `limits.attributeSteps`.
   */
  attributesOf(path: string, isDirectory: boolean, scope: AttributeScope | null): ReadonlyMap<string, AttributeValue> {
    const values = new Map<string, AttributeValue>()
    for (let level = scope; level !== null; level = level.above) {
      for (let index = level.rules.length - 1; index >= 0; index--) {
        const rule = level.rules[index]
        if (rule !== undefined && this.#matches(rule.pattern, path, isDirectory, level.directory)) {
          this.#apply(rule.states, values)
        }
      }
    }
    return values
  }

  /** What is decided first stays; a macro that becomes set brings its attributes at once. */
  #apply(states: readonly AttributeState[], values: Map<string, AttributeValue>): void {
    const pending = [...states]
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      this.#spend()
      if (!this.#relevant.has(state.name) || values.has(state.name)) continue
      values.set(state.name, state.value)
      if (state.value === true) pending.push(...(this.#macros.get(state.name) ?? []))
    }
  }

  #matches(pattern: PathPattern, path: string, isDirectory: boolean, directory: string): boolean {
    this.#spend()
    if (pattern.directoryOnly && !isDirectory) return false
    const matched = pattern.basenameOnly
      ? this.#matchesBasename(pattern, path.slice(path.lastIndexOf('/') + 1))
      : this.#matchesPath(pattern, directory === '' ? path : path.slice(directory.length + 1))
    if (this.#budget.steps < 0) this.#spend()
    return matched
  }

  #spend(): void {
    if (--this.#budget.steps >= 0) return
    throw gitFailure('too_large', 'The .gitattributes files of the commit take too much work to apply.')
  }

  #matchesBasename(pattern: PathPattern, name: string): boolean {
    if (pattern.literal === pattern.text.length) return pattern.text === name
    if (pattern.endsWith) return name.endsWith(pattern.text.slice(1))
    return matchWild(pattern.text, name, false, this.#budget)
  }

  /** Git compares the part before the first wildcard by itself and matches only the rest; `**` depends on that. */
  #matchesPath(pattern: PathPattern, path: string): boolean {
    const anchor = pattern.text.startsWith('/') ? 1 : 0
    const prefix = pattern.text.slice(anchor, pattern.literal)
    if (!path.startsWith(prefix)) return false
    const text = pattern.text.slice(Math.max(anchor, pattern.literal))
    const rest = path.slice(prefix.length)
    return text === '' ? rest === '' : matchWild(text, rest, true, this.#budget)
  }
}

/** The wanted attributes and every macro that can bring one of them. */
function relevantNames(wanted: readonly string[], macros: Macros): Set<string> {
  const users = new Map<string, string[]>()
  for (const [macro, states] of macros) {
    for (const { name } of states) {
      const list = users.get(name)
      if (list === undefined) users.set(name, [macro])
      else list.push(macro)
    }
  }
  const relevant = new Set<string>()
  const pending = [...wanted]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (relevant.has(name)) continue
    relevant.add(name)
    pending.push(...(users.get(name) ?? []))
  }
  return relevant
}
