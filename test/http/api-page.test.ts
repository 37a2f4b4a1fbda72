import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { operationsOf, readDocument } from '../support/contract/document.ts'
import { PageElement } from '../support/page-elements.ts'

const contents = new PageElement('nav')
const page = new PageElement('main')
const replaced = ['document', 'location', 'HTMLDetailsElement', 'addEventListener', 'fetch'] as const
const before = new Map<string, unknown>()

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start()
  for (const name of replaced) before.set(name, Reflect.get(globalThis, name))
  page.dataset.source = 'swagger/json'
  Object.assign(globalThis, {
    document: {
      getElementById: (id: string) => ({ contents, document: page })[id] ?? null,
      createElement: (tag: string) => new PageElement(tag),
    },
    location: { hash: '#listTokens' },
    HTMLDetailsElement: PageElement,
    addEventListener: () => {},
    fetch: (path: string) => app.ask(`/${path}`, { token: null }),
  })
  const script = '../../src/http/system/api-page/page.js'
  await import(script)
})

afterAll(async () => {
  for (const [name, value] of before) Reflect.set(globalThis, name, value)
  await app?.stop()
})

test('the page shows every operation with its parameters, bodies, answers and examples', async () => {
  const shown = new Map(page.all('details').map((element) => [element.id, element.text]))
  const operations = operationsOf(await readDocument(app))
  expect(
    contents
      .all('a')
      .map(({ href }) => href)
      .sort(),
  ).toEqual(operations.map(({ operation }) => `#${operation.operationId}`).sort())
  for (const { method, path, operation } of operations) {
    const text = shown.get(operation.operationId) ?? ''
    const wanted = [method, path, operation.summary ?? '', ...operation.parameters.map(({ name }) => name)]
    const answers = Object.keys(operation.responses)
    for (const part of [...wanted, ...answers]) expect(text).toContain(part)
    for (const { content = {} } of [...Object.values(operation.responses), operation.requestBody ?? {}]) {
      for (const { examples = {} } of Object.values(content)) {
        for (const { value } of Object.values(examples)) expect(text).toContain(JSON.stringify(value, null, 2))
      }
    }
  }
  expect(page.text).not.toMatch(/undefined|\[object|NaN/)
})
