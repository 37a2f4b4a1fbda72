import { describe, expect, test } from 'bun:test'
import { constraintText, matchesConstraint, parseConstraint } from '../../src/composer/constraint.ts'
import { compareVersions } from '../../src/composer/version-compare.ts'
import {
  normalizeBranch,
  normalizeVersion,
  numericAliasPrefix,
  parseStability,
} from '../../src/composer/version-parser.ts'
import { askComposer, type OracleQuestion, oracleAvailable } from '../support/composer-oracle.ts'
import { Random, randomConstraint, randomVersion } from './random.ts'

const VERSIONS = 4000
const CONSTRAINTS = 4000

/** Composer raises a number beyond 64 bits as a float and prints `1.0E+19`. */
const BEYOND_INTEGERS = /\d{19}/
/** Dates with two short groups at the end (`20240105.1.0`) are versions since composer/semver 3.4.4. */
const NEWER_DATE = /\d{4}([.:-]?\d{2}){1,6}([.:-]?\d{1,3}){2}/

describe.skipIf(!oracleAvailable)('the same answers as the Composer library', () => {
  const random = new Random(20_261_122)
  const versions = Array.from({ length: VERSIONS }, () => randomVersion(random))
  const constraints = Array.from({ length: CONSTRAINTS }, () => randomConstraint(random))

  async function expectSame(
    inputs: readonly string[],
    question: (input: string) => OracleQuestion,
    ours: (input: string) => unknown,
    atLeast: number,
  ): Promise<void> {
    const theirs = await askComposer(inputs.map(question))
    const differing = inputs
      .map((input, index) => ({ input, ours: ours(input), composer: theirs[index] }))
      .filter(({ input, ours, composer }) => ours !== composer && !isKnownDifference(input))
    expect(differing.slice(0, 10)).toEqual([])
    expect(theirs.filter((answer) => answer !== null && answer !== false).length).toBeGreaterThan(atLeast)
  }

  test('normalizeVersion', () => expectSame(versions, (v) => ['normalize', v], normalizeVersion, VERSIONS / 8))
  test('normalizeBranch', () => expectSame(versions, (v) => ['branch', v], normalizeBranch, VERSIONS / 2))
  test('parseStability', () => expectSame(versions, (v) => ['stability', v], parseStability, VERSIONS / 2))
  test('numericAliasPrefix', () =>
    expectSame(
      versions,
      (v) => ['alias-prefix', v],
      (v) => numericAliasPrefix(v) ?? false,
      5,
    ))
  test('parseConstraint', () => expectSame(constraints, (c) => ['constraint', c], parsedText, CONSTRAINTS / 8))

  test('compareVersions', () => {
    const normalized = versions.map(normalizeVersion).filter((version) => version !== null)
    const other = new Map(normalized.map((version, index) => [version, normalized.at(-index) ?? '']))
    const of = (version: string) => other.get(version) ?? ''
    return expectSame(
      [...other.keys()],
      (v) => ['compare', v, of(v)],
      (v) => compareVersions(v, of(v)),
      300,
    )
  })

  test('matchesConstraint', () => {
    const parsed = constraints.filter((text) => parsedText(text) !== null && !NEWER_DATE.test(text))
    const normalized = versions.map(normalizeVersion).filter((version) => version !== null)
    const version = new Map(parsed.map((text, index) => [text, normalized[(index * 13) % normalized.length] ?? '']))
    const of = (text: string) => version.get(text) ?? ''
    return expectSame(
      parsed,
      (text) => ['matches', text, of(text)],
      (text) => matchesConstraint(parseConstraint(text), of(text)),
      50,
    )
  })
})

function isKnownDifference(input: string): boolean {
  return BEYOND_INTEGERS.test(input) || NEWER_DATE.test(input)
}

function parsedText(constraint: string): string | null {
  try {
    return constraintText(parseConstraint(constraint))
  } catch {
    return null
  }
}
