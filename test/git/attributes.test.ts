import { describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseAttributes } from '../../src/git/attribute-rules.ts'
import { AttributeMatcher, type AttributeScope } from '../../src/git/attributes.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import { matchWild } from '../../src/git/wildmatch.ts'

const NAMES = ['a1', 'a2', 'a3', 'm1', 'm2', 'binary', 'text', 'diff']

/** What real git says of each path; directories end with a slash. */
function gitSays(files: Record<string, string | Uint8Array>, paths: readonly string[]): Map<string, string> {
  const root = mkdtempSync(join(tmpdir(), 'git-attributes-'))
  try {
    Bun.spawnSync(['git', 'init', '-q', root])
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true })
      writeFileSync(join(root, name), content)
    }
    const stdin = Buffer.from(`${paths.join('\0')}\0`, 'latin1')
    const run = Bun.spawnSync(['git', 'check-attr', '-z', '--stdin', ...NAMES], {
      cwd: root,
      stdin,
      env: {
        PATH: process.env.PATH ?? '',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_NOSYSTEM: '1',
        HOME: '/nonexistent',
      },
    })
    const words = run.stdout.toString('latin1').split('\0')
    const said = new Map<string, string>()
    for (let at = 0; at + 2 < words.length; at += 3) said.set(`${words[at]}: ${words[at + 1]}`, words[at + 2] ?? '')
    expect(said.size).toBe(paths.length * NAMES.length)
    return said
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** The same answers from our matcher. */
function weSay(files: Record<string, string | Uint8Array>, paths: readonly string[]): Map<string, string> {
  const parsed = new Map(
    Object.entries(files).map(([name, content]) => [dirname(`/${name}`), parseAttributes(Buffer.from(content))]),
  )
  const matcher = new AttributeMatcher(parsed.get('/') ?? null, NAMES, { steps: 1e9 })
  const said = new Map<string, string>()
  for (const path of paths) {
    const isDirectory = path.endsWith('/')
    const plain = isDirectory ? path.slice(0, -1) : path
    let scope: AttributeScope | null = null
    const parts = plain.split('/')
    for (let depth = 0; depth < parts.length; depth++) {
      const directory = parts.slice(0, depth).join('/')
      const file = parsed.get(`/${directory}`)
      if (file !== undefined) scope = matcher.scope(scope, directory, file)
    }
    const attributes = matcher.attributesOf(plain, isDirectory, scope)
    for (const name of NAMES) {
      const value = attributes.get(name) ?? null
      said.set(`${path}: ${name}`, value === true ? 'set' : value === false ? 'unset' : (value ?? 'unspecified'))
    }
  }
  return said
}

function expectSame(files: Record<string, string | Uint8Array>, paths: readonly string[]): void {
  const expected = gitSays(files, paths)
  const actual = weSay(files, paths)
  const wrong = [...expected].filter(([key, value]) => actual.get(key) !== value)
  expect(wrong).toEqual([])
}

const PATHS = [
  'a',
  'b.txt',
  'dir/',
  'dir/a',
  'dir/b.txt',
  'dir/sub/',
  'dir/sub/a',
  'dir/sub/deep/b.txt',
  'other/dir/',
  'other/dir/a',
  'foo',
  'foobar',
  'foo/bar',
  'foo/x/bar',
  'foo/x/y/bar',
  'x/foo/bar',
  'fooz/bar',
  '!bang',
  '#hash',
  'with space.txt',
  'star*name',
  'back\\slash',
  'q?mark',
  '[x]',
  ']',
  'a-b',
  'A',
  'Z9',
  '.hidden',
  '.github/',
  '.github/x.yml',
  'a]b',
  'tab\tname',
  '\xc3\xa4.txt',
  '\xff.bin',
  'a^b',
]

describe('attributes of paths are those of git check-attr', () => {
  test('patterns: anchored, basename, directory, wildcards, classes, escapes, quotes', () => {
    const patterns = [
      'a',
      '/a',
      'dir',
      'dir/',
      '/dir/',
      'dir/a',
      'dir/*',
      'dir/**',
      '**/a',
      '**/dir/a',
      'dir/**/a',
      'dir/**/b.txt',
      '*.txt',
      '/*.txt',
      '*',
      '/*',
      '**',
      'foo/**/bar',
      'foo**/bar',
      'foo/**bar',
      'foo*bar',
      'foo/*/bar',
      'f*/bar',
      '**/bar',
      'foo/**/',
      '\\!bang',
      '\\#hash',
      '"with space.txt"',
      'star\\*name',
      'back\\\\slash',
      'q\\?mark',
      'q?mark',
      '[[]x]',
      '\\[x]',
      '[]]',
      '[a-c]',
      '[!a-c]',
      '[^a-c]',
      '[a-]',
      '[]-a]',
      '[[:alpha:]]',
      '[[:upper:][:digit:]]*',
      '[[:nope:]]',
      '[[:alpha]',
      '[a',
      '[]',
      'a[]]b',
      'a[-]b',
      'a[[:punct:]]b',
      '[\\]]',
      '.*',
      '.github/',
      '.github',
      '/.github/**',
      '"tab\\tname"',
      '"\\303\\244.txt"',
      '\xc3\xa4.txt',
      '"\\377.bin"',
      '*/',
      'd?r',
      'dir/sub/',
      'dir/sub',
      'sub',
      'deep/*',
      '**/deep/**',
      '***',
      '*/**/*',
      '/',
      '//a',
      'a/',
      '\\a',
      'trailing\\',
      '"a"',
      '"unclosed',
      'a**',
      '**a',
      'x/**/**/bar',
      'foo/**/**/bar',
      '*o*/b?r',
      'foo*/**',
    ]
    for (const pattern of patterns) {
      expectSame({ '.gitattributes': Buffer.from(`${pattern} a1\n`, 'latin1') }, PATHS)
    }
  }, 20_000)

  test('many patterns made at random', () => {
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648
      return Math.floor((seed / 2147483648) * below)
    }
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T
    const pieces = ['a', 'b', '/', '*', '**', '?', '[ab]', '[!a]', '/**/', 'ab', '[a-c', '\\*', '*/', '.']
    const parts = ['a', 'b', 'ab', 'aa', 'ba', 'abab', '.', '*', 'c']
    const paths = Array.from({ length: 60 }, () => {
      const path = Array.from({ length: 1 + random(4) }, () => pick(parts.filter((part) => part !== '.'))).join('/')
      return random(4) === 0 ? `${path}/` : path
    })
    const unique = [...new Set(paths)]
    for (let round = 0; round < 60; round++) {
      // Three attributes, so that one run of git tells of three patterns.
      const lines = ['a1', 'a2', 'a3'].map((name) => {
        const pattern = Array.from({ length: 1 + random(6) }, () => pick(pieces)).join('')
        return `${pattern.replace(/^#/, 'a')} ${name}`
      })
      expectSame({ '.gitattributes': `${lines.join('\n')}\n` }, unique)
    }
  }, 20_000)

  test('last match wins, the deeper file wins, minus and exclamation mark', () => {
    expectSame(
      {
        '.gitattributes': '* a1 a2=x\n*.txt -a1\ndir !a2\n dir/sub a3 \n# comment a1\n\nb.txt a1=one a1=two\r\n',
        'dir/.gitattributes': 'a -a1 a3\n/b.txt !a1\nsub/** a2=deep\n',
        'dir/sub/.gitattributes': '* !a2\n../a a3\n',
      },
      PATHS,
    )
  })

  test('macros: from the root only, redefined, nested, unset, used before they are defined', () => {
    expectSame(
      {
        '.gitattributes':
          '*.txt m1\n[attr]m1 a1 -a2 m2\n[attr]m2 a3=deep\na m2 -a3\nfoo binary\n[attr]m2 a3=last\nfooz/** -m1\nZ9 m1=value\n[attr] a a1\n',
        'dir/.gitattributes': '[attr]m1 -a1\nb.txt -m2\na m1\n',
      },
      PATHS,
    )
    expectSame({ '.gitattributes': '[attr]binary a1\n[attr]m1 m2\n[attr]m2 m1 a2\na binary\nfoo m1\n' }, PATHS)
  })

  test('lines that git ignores: negative patterns, bad names, too long, after NUL', () => {
    expectSame(
      {
        '.gitattributes': Buffer.concat([
          Buffer.from('!a a1\na a1 =bad\nfoo a-\n.hidden -a2 --a1\na1\n"a"a2\n'),
          Buffer.from(`${'x'.repeat(2050)} a1\nfoo ${'a1 '.repeat(700)}\n[attr]-bad a1\n`),
        ]),
      },
      PATHS,
    )
  })
})

describe('bounds', () => {
  test('a pattern made to explode is decided in few steps', () => {
    const budget = { steps: 2_000_000 }
    expect(matchWild(`${'*a'.repeat(200)}b`, 'a'.repeat(2000), false, budget)).toBe(false)
    expect(matchWild(`${'**/'.repeat(300)}b`, 'a/'.repeat(500), true, budget)).toBe(false)
    expect(budget.steps).toBeGreaterThan(0)
  })

  test('a thousand stars do not overflow the stack', () => {
    const budget = { steps: 50_000_000 }
    expect(matchWild('*?'.repeat(1000), 'a'.repeat(1000), true, budget)).toBe(true)
  })

  test('beyond the budget the work stops with a sentence', () => {
    const file = parseAttributes(Buffer.from('*a*b*c*d a1\n'))
    const matcher = new AttributeMatcher(file, ['a1'], { steps: 50 })
    const scope = matcher.scope(null, '', file)
    let reason: unknown = null
    try {
      matcher.attributesOf('abc'.repeat(100), false, scope)
    } catch (error) {
      reason = gitFailureReason(error)
    }
    expect(reason).toBe('too_large')
  })
})
