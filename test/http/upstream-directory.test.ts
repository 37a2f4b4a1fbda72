import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createGitRepository } from '../support/git-repository.ts'
import { MirrorTest } from '../support/mirror.ts'

let mirror: MirrorTest
let prefixed: string

const up = { versions: ['1.0.0'], description: 'Sends invoices.' }

beforeAll(async () => {
  mirror = await MirrorTest.start([
    { name: 'up/mailer', ...up, versions: [{ version: '1.0.0', manifest: { provide: { 'psr/mail': '1' } } }] },
    { name: 'up/printer', ...up, type: 'composer-plugin', abandoned: 'up/mailer' },
    { name: 'acme/stranger', ...up },
    { name: 'denied/mailer', ...up },
  ])
  const composer = JSON.stringify({ name: 'acme/invoice', description: 'Our invoices.', provide: { 'psr/mail': '1' } })
  createGitRepository(mirror.app.path('a.git'), {
    commits: [{ files: { 'composer.json': composer }, tags: ['1.0.0'] }],
  })
  await mirror.app.addRepository(mirror.app.path('a.git'))
  await mirror.add(mirror.upstream.url, { package_deny: 'denied/*' })
  prefixed = (await mirror.app.token({ allowed_package_prefixes: ['up/mail'] })).token
})
afterAll(() => mirror?.stop())

async function json(path: string, token?: string) {
  mirror.upstream.log.clear()
  const response = await mirror.app.ask(path, token === undefined ? {} : { token })
  return (await response.json()) as {
    results: { name: string; url: string; abandoned?: unknown }[]
    total: number
    next?: string
    packageNames: string[]
    providers: { name: string }[]
  }
}

/** Requests of questions that the upstream got. */
const asked = () => mirror.upstream.log.lines.filter((line) => !line.endsWith('/packages.json'))

describe('searching', () => {
  test('finds packages of ours first, and then those of upstreams', async () => {
    const { results, total } = await json('/search.json?q=invoice')
    expect(results.map(({ name }) => name)).toEqual(['acme/invoice', 'up/mailer', 'up/printer'])
    expect(results.find(({ name }) => name === 'up/printer')?.abandoned).toBe('up/mailer')
    expect(total).toBeGreaterThanOrEqual(3)
    expect(asked()).toHaveLength(1)
  })

  test('by type', async () => {
    const { results } = await json('/search.json?q=invoice&type=composer-plugin')
    expect(results.map(({ name }) => name)).toEqual(['up/printer'])
  })

  test('for a vendor of ours tells nobody', async () => {
    for (const text of ['acme', 'acme/secret', 'invoice ACME/x']) {
      await json(`/search.json?q=${encodeURIComponent(text)}`)
      expect(asked()).toEqual([])
    }
  })

  test('finds what the token covers', async () => {
    const { results, total } = await json('/search.json?q=invoice', prefixed)
    expect([results.map(({ name }) => name), total]).toEqual([['up/mailer'], 1])
  })

  test('goes from page to page', async () => {
    const first = await json('/search.json?q=invoice&per_page=1')
    expect(first.results.map(({ name }) => name)).toContain('acme/invoice')
    const found = new Set(first.results.map(({ name }) => name))
    let { next } = first
    for (let pages = 0; next !== undefined && pages < 10; pages++) {
      const page = await json(next.replace('http://localhost', ''))
      for (const { name } of page.results) found.add(name)
      next = page.next
    }
    expect([...found].sort()).toEqual(['acme/invoice', 'up/mailer', 'up/printer'])
  })
})

describe('stand-ins', () => {
  test('of both sides are named', async () => {
    const { providers } = await json('/providers/psr/mail.json')
    expect(providers.map(({ name }) => name)).toEqual(['acme/invoice', 'up/mailer'])
    const covered = await json('/providers/psr/mail.json', prefixed)
    expect(covered.providers).toEqual([])
  })

  test('for a name of ours are asked of nobody', async () => {
    await json('/providers/acme/secret.json')
    expect(asked()).toEqual([])
  })
})

test('a name that an upstream is never to be asked for is not told to it in any question', async () => {
  for (const path of [
    '/providers/denied/mailer.json',
    '/search.json?q=denied/mailer',
    '/packages/list.json?filter=denied/mailer',
  ]) {
    await json(path)
    expect({ path, asked: asked() }).toEqual({ path, asked: [] })
  }
})

describe('names', () => {
  test('of upstreams are told when a part of them is asked for', async () => {
    expect((await json('/packages/list.json?filter=*/*er')).packageNames).toEqual(['up/mailer', 'up/printer'])
    expect((await json('/packages/list.json?vendor=up')).packageNames).toEqual(['up/mailer', 'up/printer'])
    expect((await json('/packages/list.json?filter=up/*', prefixed)).packageNames).toEqual(['up/mailer'])
  })

  test('of ours are told to nobody', async () => {
    const { packageNames } = await json('/packages/list.json?filter=acme/*')
    expect(packageNames).toEqual(['acme/invoice'])
    expect(asked()).toEqual([])
  })
})

describe('an upstream that fails', () => {
  test('is left out', async () => {
    for (const fault of [
      { kind: 'status', status: 400 },
      { kind: 'html' },
      { kind: 'body', body: '[1,{"results":3}]' },
    ] as const) {
      const remove = mirror.upstream.faults.add({ ...fault, path: /search|list\.json|providers/ })
      const { results } = await json('/search.json?q=invoice')
      expect(results.map(({ name }) => name)).toEqual(['acme/invoice'])
      expect((await json('/providers/psr/mail.json')).providers.map(({ name }) => name)).toEqual(['acme/invoice'])
      expect((await json('/packages/list.json?filter=*')).packageNames).toEqual(['acme/invoice'])
      remove()
    }
  })

  test('cannot send what steers a terminal, or names that are none', async () => {
    const results = [
      { name: 'up/evil', description: 'a\u001b[2Jb', url: 'javascript:x', downloads: -1, abandoned: { x: 1 } },
      { name: '../up', description: 'x' },
      { name: 'denied/mailer' },
      { name: 'up/virtual', virtual: true },
      null,
    ]
    const remove = mirror.upstream.faults.add({
      kind: 'body',
      body: JSON.stringify({ results, total: 'many' }),
      path: 'search',
    })
    const found = await json('/search.json?q=evil')
    expect(found.results).toEqual([
      {
        name: 'up/evil',
        description: 'a [2Jb',
        url: 'http://localhost/p2/up/evil.json',
        repository: '',
        downloads: 0,
        favers: 0,
      },
    ] as never)
    remove()
  })
})
