import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import type { TestRequest } from '../support/broker.ts'
import { stored } from '../support/stored.ts'

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start()
})

afterAll(() => app?.stop())

type Entry = Record<string, unknown> & { id: string }

async function ask(
  path: string,
  request: TestRequest = {},
): Promise<{ status: number; body: Entry; headers: Headers }> {
  const response = await app.ask(path, request)
  return { status: response.status, body: (await response.json()) as Entry, headers: response.headers }
}

const KINDS = {
  '/api/advisories': {
    body: { package_name: 'Acme/Lib', title: 'Weak\u001b[31m', affected_versions: '<1.2' },
    shown: {
      id: expect.stringMatching(/^PB(-[0-9a-z]{4}){3}$/),
      package_name: 'acme/lib',
      title: 'Weak [31m',
      affected_versions: '<1.2',
      link: null,
      cve: null,
      severity: null,
    },
    patch: { cve: 'CVE-2026-12345', severity: 'high', link: 'https://example.com/x', affected_versions: '<1.3' },
    name: 'advisory',
  },
  '/api/filters': {
    body: { list: 'company-policy', package_name: 'acme/LIB', constraint: '1.2.3' },
    shown: {
      id: expect.stringMatching(/^flt_/),
      list: 'company-policy',
      package_name: 'acme/lib',
      constraint: '1.2.3',
      reason: null,
      url: null,
      blocks: false,
    },
    patch: { reason: 'Not allowed', url: 'https://example.com/x', constraint: '*', blocks: true },
    name: 'filter',
  },
} as const

describe.each(Object.keys(KINDS) as (keyof typeof KINDS)[])('%s', (path) => {
  const { body, shown, patch, name } = KINDS[path]
  const auditOf = (id: string) => stored(app, 'SELECT action, before, after FROM audit_entries WHERE subject = ?', id)

  test('creates, shows, changes and removes, and records each change', async () => {
    const created = await ask(path, { json: body })
    expect(created.status).toBe(201)
    const times = { created_at: app.clock.now, updated_at: app.clock.now }
    expect(created.body).toEqual({ ...created.body, ...shown, ...times })
    const { id } = created.body
    expect((await ask(`${path}/${id}`)).body).toEqual(created.body)

    app.clock.now += 5
    const changed = await ask(`${path}/${id}`, { method: 'PATCH', json: patch })
    expect(changed).toMatchObject({ status: 200, body: { ...shown, ...patch, updated_at: app.clock.now } })
    expect((await ask(`${path}/${id}`)).body).toEqual(changed.body)

    expect((await ask(`${path}/${id}`, { method: 'DELETE' })).body).toEqual({ message: 'Removed' } as never)
    for (const method of ['GET', 'DELETE']) expect((await ask(`${path}/${id}`, { method })).status).toBe(404)
    expect((await ask(`${path}/${id}`, { method: 'PATCH', json: patch })).status).toBe(404)
    const entries = await auditOf(id)
    expect(entries.map(({ action }) => action)).toEqual([`${name}.create`, `${name}.update`, `${name}.delete`])
    expect(JSON.parse(String(entries[1]?.before))).toEqual(created.body)
    expect(JSON.parse(String(entries[1]?.after))).toEqual(changed.body)
  })

  test('lists page by page, and of one package', async () => {
    const made: string[] = []
    for (const number of [1, 2, 3, 4, 5]) {
      app.clock.now += 1
      made.push((await ask(path, { json: { ...body, package_name: `globex/lib-${number % 2}` } })).body.id)
    }
    const ids = async (query: string) => {
      const response = await app.ask(`${path}?${query}`)
      const rows = (await response.json()) as Entry[]
      return { ids: rows.map(({ id }) => id), headers: response.headers }
    }
    const odd = await ids('package=Globex/lib-1')
    expect(odd.ids).toEqual([made[0], made[2], made[4]].map(String))
    expect(odd.headers.get('x-total-count')).toBe('3')
    const first = await ids('package=globex/lib-1&limit=2')
    const next = /<http:\/\/localhost([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const second = (await (await app.ask(next)).json()) as Entry[]
    expect([...first.ids, ...second.map(({ id }) => id)]).toEqual(odd.ids)
    expect((await ids('cursor=PB-none')).ids).toEqual([])
    for (const query of ['limit=0', 'limit=x', 'nonsense=1']) {
      expect((await ask(`${path}?${query}`)).status).toBe(400)
    }
  })

  test.each([
    { package_name: 'lib' },
    { package_name: 'php' },
    { package_name: '../x/y' },
    { extra: 1 },
    { [name === 'advisory' ? 'affected_versions' : 'constraint']: 'all versions' },
    // This server reads it, and an old Composer may not read it alike.
    { [name === 'advisory' ? 'affected_versions' : 'constraint']: '>=1.0 until 2' },
    { [name === 'advisory' ? 'affected_versions' : 'constraint']: '' },
    { [name === 'advisory' ? 'link' : 'url']: 'javascript:alert(1)' },
    { [name === 'advisory' ? 'link' : 'url']: 'https://user:secret@example.com/' },
    { [name === 'advisory' ? 'title' : 'reason']: '\u0000\u001b' },
    { [name === 'advisory' ? 'cve' : 'list']: 'CVE 1' },
    { [name === 'advisory' ? 'severity' : 'list']: 'security' },
  ])('refuses %j', async (fault) => {
    const before = (await ask(`${path}?limit=1`)).headers.get('x-total-count')
    const refused = await ask(path, { json: { ...body, ...fault } })
    expect(refused.status).toBe(400)
    expect(refused.body).toMatchObject({ details: { fields: { [Object.keys(fault)[0] ?? '']: expect.any(String) } } })
    expect((await ask(`${path}?limit=1`)).headers.get('x-total-count')).toBe(before)
  })

  test('does not let an entry move to another package', async () => {
    const { id } = (await ask(path, { json: body })).body
    const moved = await ask(`${path}/${id}`, { method: 'PATCH', json: { package_name: 'acme/other' } })
    expect(moved.status).toBe(400)
  })
})

describe('blocks', () => {
  const entry = { package_name: 'acme/lib', constraint: '1.0' }

  test('is true of malware without being said, and cannot be made false', async () => {
    const made = await ask('/api/filters', { json: { ...entry, list: 'malware' } })
    expect(made.body.blocks).toBe(true)
    expect((await ask('/api/filters', { json: { ...entry, list: 'malware', blocks: false } })).status).toBe(400)
    const off = await ask(`/api/filters/${made.body.id}`, { method: 'PATCH', json: { blocks: false } })
    expect(off.status).toBe(400)
    expect((await ask(`/api/filters/${made.body.id}`)).body.blocks).toBe(true)
  })

  test('is false of other lists unless it is said', async () => {
    const blocks = async (more: object) =>
      (await ask('/api/filters', { json: { ...entry, list: 'other', ...more } })).body.blocks
    expect([await blocks({}), await blocks({ blocks: false }), await blocks({ blocks: true })]).toEqual([
      false,
      false,
      true,
    ])
  })
})
