import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

const RESERVED = { RESERVED_VENDORS: 'Acme,initech' }

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start(RESERVED)
})

afterAll(() => app?.stop())

async function root(token?: string): Promise<Record<string, unknown>> {
  const response = await app.ask('/packages.json', token === undefined ? {} : { token })
  return (await response.json()) as Record<string, unknown>
}

async function document(name: string, token?: string) {
  const response = await app.ask(`/p2/${name}.json?minified=1`, token === undefined ? {} : { token })
  return { status: response.status, body: (await response.json()) as { packages?: Record<string, unknown> } }
}

describe('a reserved vendor', () => {
  test('is claimed without a package', async () => {
    const body = await root()
    expect(body['available-package-patterns']).toEqual(['acme/*', 'initech/*'])
    expect(body).not.toHaveProperty('available-packages')
  })

  test.each(['acme/anything', 'initech/lib', 'acme/anything~dev'])('answers %s with an empty entry', async (name) => {
    const { status, body } = await document(name)
    expect({ status, packages: body.packages }).toEqual({ status: 200, packages: { [name.split('~')[0] ?? '']: [] } })
  })

  test('is no more than itself', async () => {
    expect((await document('acme-evil/lib')).status).toBe(404)
    expect((await document('stranger/lib')).status).toBe(404)
  })

  test('is seen by the tokens that may see something of it', async () => {
    const inside = (await app.token({ allowed_package_prefixes: ['acme/lib'] })).token
    expect((await root(inside))['available-package-patterns']).toEqual(['acme/*'])
    expect((await document('acme/other', inside)).status).toBe(200)
    const outside = (await app.token({ allowed_package_prefixes: ['globex/'] })).token
    expect((await root(outside))['available-package-patterns']).not.toContain('acme/*')
    expect((await document('acme/other', outside)).status).toBe(404)
  })

  test('keeps names closed that were owned and are deleted', async () => {
    const { path } = createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'one')] })
    const { id } = await app.addRepository(path)
    expect((await root())['available-packages']).toEqual(['acme/lib'])
    await app.ask(`/api/repositories/${id}`, { method: 'DELETE' })
    expect((await root())['available-package-patterns']).toEqual(['acme/*', 'initech/*'])
    expect(await document('acme/lib')).toMatchObject({ status: 200, body: { packages: { 'acme/lib': [] } } })
  })
})

test('reserving a vendor dates the root document anew', async () => {
  const dated = async (environment: Record<string, string>, directory?: string) => {
    const started = await TestApp.start(environment, directory)
    const { headers } = await started.ask('/packages.json')
    await started.stop(true)
    return { date: Date.parse(headers.get('last-modified') ?? ''), directory: started.directory }
  }
  const { date, directory } = await dated({})
  const reserved = await dated(RESERVED, directory)
  expect(reserved.date).toBeGreaterThan(date)
  expect((await dated(RESERVED, directory)).date).toBe(reserved.date)
  expect((await dated({}, directory)).date).toBeGreaterThan(reserved.date)
})
