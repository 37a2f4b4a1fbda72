/** A deterministic source of pseudo-random choices (mulberry32), so that a failing case can be repeated. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0]
  }

  /** Joins up to `most` picks. */
  text(most: number, choices: readonly [string, ...string[]]): string {
    return Array.from({ length: this.below(most + 1) }, () => this.pick(choices)).join('')
  }
}

const NUMBERS = ['0', '1', '2', '7', '10', '01', '2024', '99999', '100000', '20240105', '202401051230'] as const
const MODIFIERS = [
  '-beta',
  '-beta.2',
  'RC1',
  '-rc-3',
  '.alpha',
  '_a1',
  '-stable',
  '-STABLE',
  '-p1',
  'pl2',
  '-patch.1-2',
  '-dev',
  '.dev',
  'dev',
  '-RC1-dev',
  '-alpha1.2dev',
  '.x-dev',
  '.X.dev',
  '-x-dev',
  '+build.5',
  '-SNAPSHOT',
  '-b',
  '.*',
  '.x',
  '-',
  '.',
] as const

/** Something like a version, a tag or a branch, rarely a well-formed one. */
export function randomVersion(random: Random): string {
  if (random.below(12) === 0) {
    return random.text(7, ['dev-', 'master', '1', '.', '-', 'x', '/', '#', '+', ' ', 'as', '@dev', 'v', 'a', '\n', '|'])
  }
  const numbers = Array.from({ length: 1 + random.below(5) }, () => random.pick(NUMBERS))
  return [
    random.pick(['', '', '', 'v', 'V', ' ', 'dev-', 'release-']),
    numbers.join(random.pick(['.', '.', '.', '.', '-', ':', ''])),
    random.text(2, ['', '', ...MODIFIERS]),
    random.pick(['', '', '', '', '', '@dev', '@RC', '@Stable', ' as 1.0', '#abcdef', ' ', '\n']),
  ].join('')
}

/** Something like a constraint. */
export function randomConstraint(random: Random): string {
  const operator = () => random.pick(['', '', '^', '~', '>=', '<', '<=', '>', '!=', '==', '=', '<>', '~>', '>= ', '< '])
  const separator = () =>
    random.pick([' || ', '||', '|', ', ', ',', ' ', '  ', ' , ', ' - ', ' -  ', '  - ', ' as ', '  as ', ' |', ',-'])
  let text = `${operator()}${randomVersion(random)}`
  for (let more = random.below(3); more > 0; more--) text += `${separator()}${operator()}${randomVersion(random)}`
  return random.below(30) === 0
    ? random.text(9, ['1', '.', ',', ' ', '|', '-', 'as', '>', '=', '^', '*', 'x', '\n'])
    : text
}
