import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Rows of tables that begin with this pattern, as cells. */
function rows(text: string, first: RegExp): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
    .filter(([cell = '']) => first.test(cell))
}

describe('the list of abuse cases', () => {
  const cases = rows(read('test/abuse-cases.md'), /^\d+$/)

  test('has every number once', () => {
    const numbers = cases.map(([number]) => Number(number)).sort((left, right) => left - right)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1))
    expect(numbers.length).toBeGreaterThanOrEqual(75)
  })

  test('names tests that are there, or says what does not hold', () => {
    for (const [number, , answer = '', shown = ''] of cases) {
      const files = [...shown.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file)
      expect({ number, missing: files.filter((file) => !existsSync(join(ROOT, 'test', file))) }).toEqual({
        number,
        missing: [],
      })
      expect({ number, told: files.length > 0 || answer.startsWith('*Open:*') }).toEqual({ number, told: true })
    }
  })
})

describe('the table of promises', () => {
  const promises = rows(read('SECURITY.md'), /^P\d+$/)

  test('has every promise with the command that shows it', () => {
    expect(promises.map(([name]) => name)).toEqual(Array.from({ length: 25 }, (_, index) => `P${index + 1}`))
    for (const [name, , , command = ''] of promises)
      expect({ name, command }).toEqual({ name, command: expect.stringContaining('`') })
  })

  test('names files, targets of make and scenarios that are there', () => {
    const makefile = read('Makefile')
    const scenarios = read('test/bench/main.ts')
    for (const [name, , , command = ''] of promises) {
      const files = [...command.matchAll(/test\/[\w./-]+/g)].map(([file]) => file)
      const targets = [...command.matchAll(/make ([a-z]+)/g)].map(([, target]) => target)
      const measured = [...command.matchAll(/main\.ts ([a-z-]+)/g)].map(([, scenario]) => scenario)
      expect({ name, missing: files.filter((file) => !existsSync(join(ROOT, file))) }).toEqual({ name, missing: [] })
      expect({ name, unknown: targets.filter((target) => !makefile.includes(`\n${target}:`)) }).toEqual({
        name,
        unknown: [],
      })
      expect({ name, unknown: measured.filter((each) => !new RegExp(`  '?${each}'?:`).test(scenarios)) }).toEqual({
        name,
        unknown: [],
      })
    }
  })
})
