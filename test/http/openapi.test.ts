import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { TestApp } from '../support/app.ts'
import { type ApiDocument, operationsOf, readDocument } from '../support/contract/document.ts'

let app: TestApp
let api: ApiDocument

beforeAll(async () => {
  app = await TestApp.start()
  api = await readDocument(app)
})

afterAll(() => app?.stop())

describe('the document', () => {
  test('has every route of the router and nothing else', () => {
    const shown = (path: string) => path.replace(/:(\w+)/g, '{$1}').replace(/(.)\/$/, '$1')
    const routes = app.app.handler.routes.map(({ method, path }) => `${method} ${shown(path)}`)
    const described = operationsOf(api).map(
      ({ method, path }) =>
        `${method} ${path.replace(/^\/dist\/.*/, '/dist/*').replace(/\/versions\/.*/, '/versions/*')}`,
    )
    expect(described.sort()).toEqual([...new Set(routes)].sort())
  })

  test('names each operation, says what it is for, who may use it and in which group it is', () => {
    const operations = operationsOf(api)
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = api.tags.map(({ name }) => name)
    for (const { method, path, operation } of operations) {
      const told = {
        route: `${method} ${path}`,
        id: typeof operation.operationId,
        summary: (operation.summary ?? '').length > 3,
        tagged: tags.includes(operation.tags?.[0] ?? ''),
        secured: Array.isArray(operation.security),
      }
      expect(told).toEqual({ route: `${method} ${path}`, id: 'string', summary: true, tagged: true, secured: true })
    }
  })

  test('has for each operation what any request may be answered with', () => {
    for (const { method, path, operation } of operationsOf(api)) {
      const statuses = Object.keys(operation.responses ?? {}).map(Number)
      const needed = [
        400,
        500,
        503,
        ...(operation.security?.length ? [401] : []),
        ...(operation.requestBody && operation.security?.length ? [413] : []),
      ]
      expect({ route: `${method} ${path}`, missing: needed.filter((status) => !statuses.includes(status)) }).toEqual({
        route: `${method} ${path}`,
        missing: [],
      })
      expect(statuses.some((status) => status < 300)).toBe(true)
    }
  })

  test('describes each parameter of a path and each answer with a body by a schema, JSON also by an example', () => {
    for (const { method, path, operation } of operationsOf(api)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
      const described = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect(described.map(({ name }) => name).sort()).toEqual(inPath.sort())
      const bodies = [
        ...Object.entries(operation.responses),
        ...(operation.requestBody ? [['body', operation.requestBody] as const] : []),
      ]
      for (const [status, { content = {} }] of bodies) {
        const json = content['application/json']
        const told = json === undefined || (json.schema && Object.keys(json.examples ?? {}).length > 0)
        const exempt = path === '/swagger/json' && status === '200'
        expect(`${method} ${path} ${status}: ${Boolean(told) || exempt}`).toBe(`${method} ${path} ${status}: true`)
      }
    }
  })

  test('has examples that fit its schemas, and references that lead somewhere', () => {
    const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }))
    ajv.addSchema(api, 'api')
    const pointer = (...keys: string[]) =>
      keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    let checked = 0
    for (const { method, path, operation } of operationsOf(api)) {
      const place = ['paths', path, method.toLowerCase()]
      const bodies = [
        ...Object.entries(operation.responses).map(([status, body]) => [['responses', status], body] as const),
        ...(operation.requestBody ? [[['requestBody'], operation.requestBody] as const] : []),
      ]
      for (const [below, { content = {} }] of bodies) {
        for (const [type, { examples = {} }] of Object.entries(content)) {
          const check = ajv.compile({ $ref: `api#/${pointer(...place, ...below, 'content', type, 'schema')}` })
          for (const [name, { value }] of Object.entries(examples)) {
            checked += 1
            const fits = check(value)
            expect({ at: [...place, ...below, name], errors: fits ? [] : check.errors }).toEqual({
              at: [...place, ...below, name],
              errors: [],
            })
          }
        }
      }
    }
    expect(checked).toBeGreaterThan(50)
  })

  test('names the address it was asked at', async () => {
    const response = await app.ask('/swagger/json', { token: null, headers: { Host: 'packages.example.com' } })
    const body = (await response.json()) as ApiDocument
    expect(body.servers).toEqual([{ url: 'http://packages.example.com' }])
    expect(body.openapi).toBe('3.1.0')
  })
})

describe('the page', () => {
  test('loads only from this server, in no frame, without a token', async () => {
    const response = await app.ask('/swagger', { token: null })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    const html = await response.text()
    expect(html).not.toMatch(/https?:|\/\//)
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/)
    expect(html).not.toMatch(/\son\w+=|style=/)
  })

  test.each(['/swagger', '/swagger/'])('finds its files from %s', async (path) => {
    const html = await (await app.ask(path, { token: null })).text()
    const links = [...html.matchAll(/(?:href|src|data-source)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(links.length).toBe(4)
    for (const link of links) {
      const { pathname } = new URL(link, `http://localhost${path}`)
      const response = await app.ask(pathname, { token: null })
      expect(`${pathname} ${response.status}`).toBe(`${pathname} 200`)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  test('names no other server in its script and style', async () => {
    for (const file of ['page.js', 'page.css']) {
      const text = await (await app.ask(`/swagger/${file}`, { token: null })).text()
      expect(text.length).toBeGreaterThan(500)
      expect(text).not.toMatch(/https?:\/\/|innerHTML|eval\(/)
    }
  })
})
