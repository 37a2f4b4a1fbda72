import { describe, expect, test } from 'bun:test'
import { constraintText, parseConstraint } from '../../src/composer/constraint.ts'
import { isPlainConstraint, servedConstraint } from '../../src/composer/served-constraint.ts'
import { askComposer, oracleAvailable } from '../support/composer-oracle.ts'
import { growthForEightfold, LINEAR_GROWTH } from './growth.ts'

/** Constraints as advisories of registries have them, and odd ones that are constraints all the same. */
const READABLE = [
  '>=1.0,<1.2.3|>=2.0,<2.1',
  '>=1.0.0,<1.2.3||>=2.0.0-RC1,<2.1',
  '<2.3.1',
  '<=2.3.1-beta.2',
  '1.2.3',
  '==1.2.3',
  '*',
  '1.2.*',
  '^1.2 || ~2.3.4',
  '1.0 - 2.0',
  'dev-main',
  'dev-feature/x|>=1.0',
  '!=1.5',
  '<>1.5',
  '>=1.0 <2.0',
  'v1.0',
  '1.0.0-patch1',
  '>= 1.0, < 2.0',
  '<2.0-stable',
  '1.0@dev',
  'dev-main#abc',
  '1.x-dev',
  '2.0 as 1.0',
  '>=2020.01.01',
  '1.0+build',
  'foobar-dev',
  '>=1.0,<1.2.3-',
]

/** What is no constraint for Composer before 2.8.11, which ends at it. */
const UNREADABLE: [string, string | null][] = [
  ['>=1.0,<1.2.3)', '>=1.0'],
  ['<1.2.3 (all platforms)', '<1.2.3'],
  ['>=1.0.0 until 1.2', '>=1.0.0'],
  ['all versions', null],
  ['', null],
  ['>=', null],
  ['1.2.3.4.5', null],
  ['>=1.0,<2.0|see advisory', '>=1.0,<2.0'],
  ['<1.0\u0000', '<1.0'],
]

describe('what is served', () => {
  test.each(READABLE)('%j means the same as what is served of it', (text) => {
    const served = servedConstraint(text)
    expect(served === null ? null : constraintText(parseConstraint(served))).toBe(constraintText(parseConstraint(text)))
    if (isPlainConstraint(text)) expect(served).toBe(text)
  })

  test.each(UNREADABLE)('of %j is %j', (text, expected) => {
    const served = servedConstraint(text)
    if (expected === null || served === null) expect(served).toBe(expected)
    else expect(constraintText(parseConstraint(served))).toBe(constraintText(parseConstraint(expected)))
  })

  test.if(oracleAvailable)('is read by an old Composer, and means the same to it', async () => {
    const served = READABLE.map((text) => servedConstraint(text) ?? '')
    const mended = UNREADABLE.flatMap(([text]) => servedConstraint(text) ?? [])
    const questions = (texts: readonly string[]) => texts.map((text) => ['constraint', text] as const)
    const [before, after] = [await askComposer(questions(READABLE)), await askComposer(questions(served))]
    expect(after).toEqual(before)
    expect(before).not.toContain(null)
    expect(await askComposer(questions(mended))).not.toContain(null)
    // The old client does refuse what is mended here.
    const refused = await askComposer(questions(UNREADABLE.map(([text]) => text)))
    expect(refused.filter((answer) => answer === null).length).toBeGreaterThan(5)
  })

  test.if(oracleAvailable)('is plain only where an old Composer reads it as this server does', async () => {
    const texts = plainTexts()
    expect(texts.filter((text) => !isPlainConstraint(text))).toEqual([])
    const answers = await askComposer(texts.map((text) => ['constraint', text] as const))
    expect(answers).toEqual(texts.map((text) => constraintText(parseConstraint(text))))
  })
})

/** Every operator with every form of a version, joined in every way. */
function plainTexts(): string[] {
  const operators = ['', '=', '==', '!=', '<>', '<', '<=', '>', '>=', '^', '~', '> ']
  const versions = [
    '1',
    'v1.2',
    '1.2.3',
    '1.2.3.4',
    '0.0.1',
    '1.0-dev',
    '1.0-alpha',
    '1.0.0-beta2',
    '2.0-RC.1',
    '3.0-patch1',
    '1.0-RC1-dev',
    '99999.1',
  ]
  const single = operators.flatMap((operator) => versions.map((version) => `${operator}${version}`))
  const named = ['dev-main', '!=dev-feature/x', '==dev-main', '*', '1.*', 'v1.2.x', '1.0 - 2.0', '1.0-RC1 - 2.0.5']
  const joined = [',', ' ', ', ', '|', '||', ' | ', ' || '].flatMap((join) => [
    `>=1.0${join}<2.0`,
    `^1.0${join}dev-main`,
  ])
  return [...single, ...named, ...joined]
}

test.each(['1.', '-', ' ', '|', ',', 'dev-', '1.0|x|', '>', '>=1.0,', '1 - '])(
  'work on %j over and over grows with its length, not with its square',
  (piece) => {
    const text = (size: number) => piece.repeat(size / piece.length)
    expect(growthForEightfold(text, servedConstraint, 480)).toBeLessThan(LINEAR_GROWTH)
  },
)
