import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Broker } from '../support/broker.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { startBroker } from '../support/start-broker.ts'

let app: Broker

beforeAll(async () => {
  app = await startBroker()
  for (const name of ['acme/lib', 'globex/tool']) {
    const path = app.path(`${name.replace('/', '-')}.git`)
    createGitRepository(path, { commits: [library(name, 'one', { tags: ['1.0.0'] })] })
    await app.addRepository(path)
  }
})

afterAll(() => app?.stop())

describe('the root document', () => {
  async function root(prefixes: string[]) {
    const { token } = await app.token({ allowed_package_prefixes: prefixes })
    const response = await app.ask('/packages.json', { token })
    return { body: (await response.json()) as Record<string, unknown>, headers: response.headers }
  }

  test('lists what the token may see, with absolute addresses', async () => {
    const { body } = await root([])
    expect(body).toMatchObject({
      packages: {},
      'metadata-url': 'http://localhost/p2/%package%.json?minified=1',
      'available-packages': ['acme/lib', 'globex/tool'],
      'available-package-patterns': expect.arrayContaining(['acme/*', 'globex/*']),
    })
  })

  test('a narrower token sees less', async () => {
    const { body } = await root(['globex/'])
    expect(body['available-packages']).toEqual(['globex/tool'])
    expect(body['available-package-patterns']).toEqual(['globex/*'])
  })

  test('a token that sees nothing never gets an empty list, which Composer reads as “ask for everything”', async () => {
    const { body } = await root(['nobody/'])
    expect(body).not.toHaveProperty('available-packages')
    expect(body['available-package-patterns']).toEqual([expect.stringMatching(/^[^*]+$/)])
  })

  test('a token inside a claimed vendor that sees none of its packages', async () => {
    const { body } = await root(['acme/zzz'])
    expect(body).not.toHaveProperty('available-packages')
    expect(body['available-package-patterns']).toEqual(['acme/*'])
  })

  test('views of different tokens never validate one another', async () => {
    const views = await Promise.all([[], ['acme/'], ['globex/'], ['acme/', 'globex/'], ['nobody/']].map(root))
    const dates = views.map(({ headers }) => headers.get('last-modified') ?? '')
    expect(new Set(dates).size).toBe(5)
    const { token } = await app.token({ allowed_package_prefixes: ['nobody/'] })
    for (const date of dates.slice(0, 4)) {
      const response = await app.ask('/packages.json', { token, headers: { 'If-Modified-Since': date } })
      expect(response.status).toBe(200)
    }
  })

  test('an installation without packages', async () => {
    const empty = await startBroker()
    try {
      const body = (await (await empty.ask('/packages.json')).json()) as Record<string, unknown>
      expect(body).not.toHaveProperty('available-packages')
      expect((body['available-package-patterns'] as string[]).length).toBe(1)
    } finally {
      await empty.stop()
    }
  })
})
