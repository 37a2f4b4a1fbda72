import { afterAll, beforeAll, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'
import { worstStall } from '../support/event-loop.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'

const VERSIONS = 3_000
/** What is promised, in milliseconds. */
const LONGEST_STALL = 100

let app: TestApp

beforeAll(async () => {
  app = await TestApp.start()
  const require = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`acme/part-${at}`, '^1.0 || ~2.3']))
  const commits = Array.from({ length: VERSIONS }, (_, at) => {
    const { files } = library('acme/lib', 'same', {})
    const manifest = { name: 'acme/lib', require: { ...require, 'acme/edition': `^1.${at}` } }
    return { files: { ...files, 'composer.json': JSON.stringify(manifest) }, tags: [`1.${at}.0`] }
  })
  createGitRepository(app.path('lib.git'), { commits })
  await app.addRepository(app.path('lib.git'))
}, 60_000)

afterAll(() => app?.stop())

test.each([
  ['keyed', ''],
  ['minified', '?minified=1'],
])('the document of thousands of versions is made while others are answered: %s', async (_, query) => {
  let count = 0
  const { stall, beats } = await worstStall(async () => {
    const response = await app.ask(`/p2/acme/lib.json${query}`, { headers: { 'Accept-Encoding': 'gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    const text = new TextDecoder().decode(Bun.gunzipSync(await response.arrayBuffer()))
    const list = JSON.parse(text).packages['acme/lib']
    count = Object.keys(list).length
  })
  expect(count).toBe(VERSIONS)
  // The client of this test reads all of it in one go as well.
  expect(stall).toBeLessThan(LONGEST_STALL)
  expect(beats).toBeGreaterThan(10)
})
