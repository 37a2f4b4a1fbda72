import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PathGlobs } from '../../src/git/path-globs.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'

let root = ''
let repository: TestGitRepository
const NAMES = ['a', 'b', 'ab', 'a.b', '[x]', 'a*', 'é', 'packages']
const FILE = 'composer.json'
const paths: string[] = []

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'git-path-globs-'))
  const directories = ['', ...NAMES, ...NAMES.flatMap((a) => NAMES.map((b) => `${a}/${b}`))]
  directories.push(...NAMES.map((name) => `a/b/${name}/ab`), 'packages/a/b/a.b/é')
  for (const directory of directories) paths.push(directory === '' ? FILE : `${directory}/${FILE}`)
  const files = Object.fromEntries(paths.map((path) => [path, '{}']))
  repository = createGitRepository(join(root, 'globs.git'), { commits: [{ files }] })
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

const bytes = (name: string) => Buffer.from(name).toString('latin1')

/** What the globs name, a directory after the other. */
function named(globs: string[], steps = 1e6): string[] {
  const matcher = new PathGlobs(globs, steps)
  return paths.filter((path) => {
    const parts = path.split('/').map(bytes)
    const file = parts.pop() ?? ''
    let state: ReturnType<PathGlobs['enter']> = matcher.start
    for (const part of parts) state = state && matcher.enter(state, part)
    return state !== null && matcher.names(state, file)
  })
}

/** What git's own globs of paths name. */
function namedByGit(globs: string[]): string[] {
  const specs = globs.map((glob) => `:(glob)${glob}`)
  const run = Bun.spawnSync(['git', '-c', 'core.quotePath=false', 'grep', '-l', '{}', 'main', '--', ...specs], {
    cwd: repository.path,
  })
  const lines = run.stdout.toString().split('\n')
  return lines.flatMap((line) => (line === '' ? [] : [line.slice('main:'.length)]))
}

describe('globs of paths', () => {
  test('name what git names', () => {
    let seed = 7
    const pick = <T>(from: readonly T[]): T => {
      seed = (seed * 48271) % 2147483647
      return from[seed % from.length] as T
    }
    const parts = ['a', 'b', '*', '**', 'a*', '*b', '?', '[ab]', '[!a]', 'a.b', '\\[x]', 'é', 'packages', '**', 'p*s']
    for (let round = 0; round < 150; round++) {
      const glob = () => [...Array.from({ length: pick([0, 1, 2, 2, 3, 4]) }, () => pick(parts)), FILE].join('/')
      const globs = Array.from({ length: pick([1, 1, 2, 3]) }, glob)
      expect({ globs, named: named(globs).sort() }).toEqual({ globs, named: namedByGit(globs).sort() })
    }
  })

  test('states are the same object when they want the same', () => {
    const globs = new PathGlobs(['packages/*/composer.json', 'packages/**/composer.json'], 1000)
    const below = globs.enter(globs.start, 'packages')
    expect(below && globs.enter(below, 'a')).not.toBeNull()
    const deep = below && globs.enter(below, 'a')
    const deeper = deep && globs.enter(deep, 'b')
    expect(deeper && globs.enter(deeper, 'c')).toBe(deeper)
    expect(globs.enter(globs.start, 'src')).toBeNull()
  })

  test('the first look goes as deep as globs say, and no deeper than is worth it', () => {
    const firstLook = (...globs: string[]) => new PathGlobs(globs, 1000).firstLook
    expect(firstLook('composer.json')).toBe(1)
    expect(firstLook('packages/*/composer.json', 'composer.json')).toBe(3)
    expect(firstLook('**/composer.json')).toBe(1)
    expect(firstLook('src/packages/**/composer.json')).toBe(3)
    expect(firstLook('a/b/c/d/e/composer.json')).toBe(4)
  })

  test('beyond the budget the work stops with a sentence', () => {
    expect(() => named([`${'*a'.repeat(50)}*/composer.json`], 20)).toThrow('too much work')
  })
})
