import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { libraryFiles } from '../support/packages.ts'
import { told, watchStatements } from '../support/probe.ts'
import { RELEASED } from '../support/scope-probes.ts'

/*
 * A token that limits the versions of a package must not learn which versions there are beyond: one that it does not
 * cover and one that does not exist are answered alike, and cost the same statements.
 */

const YEAR = 365 * 86_400

const SCOPES = {
  'a constraint': { allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }] },
  'an end of updates': { allowed_package_prefixes: ['acme/'], updates_until: RELEASED + 60 },
  'an end of updates alone': { updates_until: RELEASED + 60 },
  both: { allowed_packages: [{ name: 'acme/lib', constraint: '^1.0' }], updates_until: RELEASED + 60 },
}

let app: TestApp
let git: TestGitRepository
let packageId: string
let statements: Awaited<ReturnType<typeof watchStatements>>

beforeAll(async () => {
  app = await TestApp.start({ RATE_LIMIT_READONLY: '0' })
  const files = (mark: string) => ({ ...libraryFiles('acme/lib', mark), 'README.md': `# ${mark}` })
  git = createGitRepository(app.path('lib.git'), {
    commits: [
      { files: files('one'), tags: ['1.0.0'], date: RELEASED },
      { files: files('two'), tags: ['2.0.0'], date: RELEASED + YEAR },
      { files: files('next'), branch: 'next/x', from: 'main', date: RELEASED + YEAR },
    ],
  })
  await app.addRepository(app.path('lib.git'))
  packageId = ((await (await app.ask('/api/packages')).json()) as { id: string }[])[0]?.id ?? ''
  statements = await watchStatements()
})

afterAll(async () => {
  statements?.stop()
  await app?.stop()
})

/** Addresses of something that exists beyond the limits, and of the same thing that does not. */
function pairs(): [string, string][] {
  const there = git.resolve('refs/tags/2.0.0')
  const versions = [
    ['2.0.0', '3.0.0'],
    ['v2.0.0', 'v3.0.0'],
    ['2.0', '3.0'],
    ['dev-next/x', 'dev-none/x'],
    ['dev-next%2Fx', 'dev-none%2Fx'],
  ]
  return [
    ...versions.map(([one, other]): [string, string] => [`/dist/acme/lib/${one}.zip`, `/dist/acme/lib/${other}.zip`]),
    ...['2.0.0', '1.0.0'].map((version): [string, string] => [
      `/dist/acme/lib/${version}.zip?reference=${there}`,
      `/dist/acme/lib/${version}.zip?reference=${'f'.repeat(40)}`,
    ]),
    ...versions.map(([one, other]): [string, string] => [
      `/api/packages/${packageId}/versions/${one}/readme`,
      `/api/packages/${packageId}/versions/${other}/readme`,
    ]),
  ]
}

describe.each(Object.entries(SCOPES))('%s', (_, scope) => {
  test.each(['GET', 'HEAD'])('hides what lies beyond it from %s', async (method) => {
    const { token } = await app.token(scope)
    const everything = await app.token()
    for (const [path, other] of pairs()) {
      if (method === 'HEAD' && !path.startsWith('/dist/')) continue
      // Somebody else just had it, so that it is in memory.
      expect((await app.ask(path, everything)).status).toBe(200)
      const got: { status: number; body: string; headers: object; statements: string[] }[] = []
      for (const asked of [path, other]) {
        await told(app, { method, path: asked }, token, null)
        statements.taken()
        const answer = await told(app, { method, path: asked }, token, null)
        const version = asked.split('/versions/')[1]?.replace('/readme', '') ?? ''
        const body = answer.body.replace(decodeURIComponent(version) || '\0', '<version>')
        got.push({ ...answer, body, statements: statements.taken() })
      }
      expect({ path, ...got[0] }).toEqual({ path, ...got[1] } as never)
      expect(got[0]?.status).toBe(path.startsWith('/dist/') ? 403 : 404)
      expect(got[0]?.statements).not.toBeEmpty()
    }
    expect((await app.ask('/dist/acme/lib/1.0.0.zip', { token })).status).toBe(200)
  })
})

test('the sentence helps in both cases', async () => {
  const { token } = await app.token(SCOPES['a constraint'])
  const answer = await app.ask('/dist/acme/lib/2.0.0.zip', { token })
  const sentence =
    'This token has no such version of acme/lib: the version is outside its constraint, was released after its updates end, or does not exist.'
  expect(await answer.json()).toEqual({ error: sentence, code: 'FORBIDDEN', details: {}, warning: sentence })
})

test('a token that does not limit versions is told that there is none', async () => {
  const { token } = await app.token({ allowed_package_prefixes: ['acme/'] })
  expect((await app.ask('/dist/acme/lib/2.0.0.zip', { token })).status).toBe(200)
  expect((await app.ask('/dist/acme/lib/3.0.0.zip', { token })).status).toBe(404)
})
