import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { hasControls } from '../../src/printable.ts'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'

/** A colour, C1's own form of it, a backspace, a line that is overwritten, and a text that reads backwards. */
const HOSTILE = 'good\u001b[31m\u009b2J\u0008\rbad \u202edlrow\u2066\ufeff end'
const PRINTABLE = 'good [31m 2J bad  dlrow  end'

const MANIFEST = {
  name: 'acme/lib',
  description: HOSTILE,
  keywords: [HOSTILE],
  authors: [{ name: HOSTILE, email: 'a@example.com' }],
  suggest: { 'other/lib': HOSTILE },
  abandoned: HOSTILE,
  autoload: { 'psr-4': { 'Acme\\Lib\\': 'src/' } },
  extra: { banner: HOSTILE, number: 0.1 },
}

let app: TestApp
let repositoryId: string

beforeAll(async () => {
  app = await TestApp.start()
  // C1 as UTF-8 may know it raw, and C0 in the escapes of JSON.
  const text = JSON.stringify(MANIFEST).replace('0.1', '1.0')
  const files = { 'composer.json': text, 'src/Lib.php': '<?php\n' }
  createGitRepository(app.path('lib.git'), {
    commits: [
      { files, tags: ['1.0.0', 'v1\u009b2J', '2.0.0\u202e', 'odd\u2066'] },
      ...['feature\u202e', 'x\u009bm'].map((branch) => ({ files, branch })),
    ],
  })
  repositoryId = (await app.addRepository(app.path('lib.git'))).id
})

afterAll(() => app?.stop())

/** Texts of any depth, keys too. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(texts)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => [key, ...texts(member)])
}

const json = async (path: string) => (await app.ask(path)).json()

describe('texts that would steer a terminal', () => {
  test.each([
    '/api/repositories',
    '/api/repositories/:id',
    '/api/repositories/:id/syncs',
    '/api/packages',
    '/search.json?q=good',
    '/packages/list.json?fields[]=abandoned',
    '/packages.json',
    '/api/audit',
  ])('are not in %s', async (path) => {
    const found = texts(await json(path.replace(':id', repositoryId)))
    expect(found.length).toBeGreaterThan(0)
    expect(found.filter(hasControls)).toEqual([])
  })

  test('are not in the log, and end no line of it', () => {
    expect(app.logged.length).toBeGreaterThan(0)
    for (const line of app.logged) expect(hasControls(line.slice(0, -1))).toBe(false)
  })

  test('have the refs that are called so left out, and told', async () => {
    const { issues } = (await json(`/api/repositories/${repositoryId}`)) as { issues: { ref: string }[] }
    expect(issues.map(({ ref }) => ref)).toEqual(
      expect.arrayContaining(['refs/tags/v1 2J', 'refs/tags/2.0.0 ', 'refs/tags/odd ', 'refs/heads/feature ']),
    )
    const [{ id }] = (await json('/api/packages')) as [{ id: string }]
    const { versions } = (await json(`/api/packages/${id}`)) as { versions: { version: string }[] }
    expect(versions.map(({ version }) => version).sort()).toEqual(['1.0.0', 'dev-main'])
  })

  test.each(['/p2/acme/lib.json', '/p2/acme/lib.json?minified=1', '/p2/acme/lib~dev.json'])(
    'are not in what clients print of %s; what they do not is as it was written',
    async (path) => {
      const answer = await (await app.ask(path)).text()
      const list = (JSON.parse(answer) as { packages: Record<string, object> }).packages['acme/lib'] ?? {}
      const [version] = Object.values(list) as (typeof MANIFEST)[]
      expect(version).toMatchObject({
        description: PRINTABLE,
        keywords: [PRINTABLE],
        authors: [{ name: PRINTABLE, email: 'a@example.com' }],
        suggest: { 'other/lib': PRINTABLE },
        abandoned: PRINTABLE,
        extra: { banner: HOSTILE },
      })
      expect(answer).toContain('"number":1.0')
    },
  )
})
