import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { routeCases } from '../support/route-cases.ts'

let app: TestApp
let repositoryId: string
let packageId: string

beforeAll(async () => {
  app = await TestApp.start()
  const files = { ...library('acme/lib', 'one').files, 'README.md': '# Lib <script>alert(1)</script>' }
  createGitRepository(app.path('lib.git'), { commits: [{ files, tags: ['1.0.0'] }] })
  repositoryId = (await app.addRepository(app.path('lib.git'))).id
  packageId = ((await (await app.ask('/api/packages')).json()) as { id: string }[])[0]?.id ?? ''
})

afterAll(() => app?.stop())

/** What anybody may have, and keep. */
const PUBLIC = /^\/(?:swagger|health|ready)/

test.each(['owner', 'nobody'])(
  'no shared cache may keep an answer to the %s, and its type is to be believed',
  async (who) => {
    for (const [route, { path, json }] of Object.entries(routeCases({ repositoryId, packageId }))) {
      const [method = ''] = route.split(' ')
      const response = await app.ask(path, {
        method,
        ...(json === undefined ? {} : { json }),
        ...(who === 'nobody' ? { token: null } : {}),
      })
      const cache = response.headers.get('cache-control') ?? ''
      const directives = cache.split(', ')
      const told = { route, nosniff: response.headers.get('x-content-type-options'), cache }
      expect(told).toEqual({ ...told, nosniff: 'nosniff' })
      if (PUBLIC.test(path)) continue
      if (response.status >= 400 || /^\/api\/(?!packages)/.test(path))
        expect(told).toEqual({ ...told, cache: expect.stringContaining('no-store') })
      else
        expect({ route, kept: directives.includes('private') || directives.includes('no-store') }).toEqual({
          route,
          kept: true,
        })
      await response.body?.cancel()
    }
  },
)

test('what may be kept by its owner is not given to another token', async () => {
  for (const path of [
    '/packages.json',
    '/p2/acme/lib.json',
    '/search.json?q=lib',
    '/metadata/changes.json?since=17000000000000',
    '/dist/acme/lib/1.0.0.zip',
    `/api/packages/${packageId}/versions/1.0.0/readme`,
  ]) {
    const response = await app.ask(path)
    expect({ path, vary: response.headers.get('vary') }).toEqual({
      path,
      vary: expect.stringContaining('Authorization'),
    })
    await response.body?.cancel()
  }
})

test('answers with a secret in them are kept by nobody', async () => {
  const made = await app.ask('/api/tokens', { json: { permissions: 'readonly' } })
  const { id } = (await made.clone().json()) as { id: string }
  const rotated = await app.ask(`/api/tokens/${id}/rotate`, { method: 'POST' })
  for (const response of [made, rotated]) {
    expect(((await response.json()) as { token: string }).token).toStartWith('pb_')
    expect(response.headers.get('cache-control')).toBe('no-store')
  }
})

test.each(['/swagger', '/swagger/', '/swagger/page.js', '/swagger/page.css'])(
  '%s loads nothing from elsewhere and is in no frame',
  async (path) => {
    const { headers } = await app.ask(path, { token: null })
    const policy = headers.get('content-security-policy') ?? ''
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
      expect(policy).toContain(part)
    }
    expect(policy).not.toContain('unsafe')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  },
)

test('a README is text, in a box of its own', async () => {
  const { headers } = await app.ask(`/api/packages/${packageId}/versions/1.0.0/readme`)
  expect(headers.get('content-type')).toStartWith('text/markdown')
  expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox; frame-ancestors 'none'")
})

test('no answer lets another origin in, whatever Origin says', async () => {
  for (const origin of ['https://evil.example', 'null', 'http://localhost']) {
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await app.ask('/api/tokens', { method, headers: { Origin: origin } })
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
  }
})
