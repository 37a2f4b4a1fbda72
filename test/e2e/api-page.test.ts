import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { Installation, type RunningServer } from '../support/binary.ts'

setDefaultTimeout(90_000)

let installation: Installation
let server: RunningServer

beforeAll(async () => {
  installation = await Installation.create()
  server = await installation.serve()
})

afterAll(() => installation?.remove())

test('the executable alone serves the description of the API and its page with all its files', async () => {
  const document = (await (await fetch(`${server.url}/swagger/json`)).json()) as { paths: object; servers: object[] }
  expect(Object.keys(document.paths).length).toBeGreaterThan(15)
  expect(document.servers).toEqual([{ url: server.url }])
  const html = await (await fetch(`${server.url}/swagger`)).text()
  const files = [...html.matchAll(/(?:href|src)="(swagger\/page[^"]+)"/g)].map((match) => match[1])
  expect(files.length).toBe(2)
  for (const file of files) {
    const response = await fetch(`${server.url}/${file}`)
    expect(response.status).toBe(200)
    expect((await response.text()).length).toBeGreaterThan(500)
  }
})
