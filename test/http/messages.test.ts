import { expect, test } from 'bun:test'
import { readConfig } from '../../src/config.ts'
import { TestApp } from '../support/app.ts'

test('what the operator tells stands in the root document, which is dated anew when it changes', async () => {
  let app = await TestApp.start()
  const root = async () => {
    const response = await app.ask('/packages.json')
    const { warning, info } = (await response.json()) as Record<string, unknown>
    return { warning, info, date: Date.parse(response.headers.get('last-modified') ?? '') }
  }
  const silent = await root()
  expect(silent).toMatchObject({ warning: undefined, info: undefined })
  await app.stop(true)
  const told = { REPOSITORY_WARNING: 'Read-only on Sunday.', REPOSITORY_INFO: 'See the wiki.' }
  app = await TestApp.start(told, app.directory)
  const loud = await root()
  expect(loud).toMatchObject({ warning: 'Read-only on Sunday.', info: 'See the wiki.' })
  expect(loud.date).toBeGreaterThan(silent.date)
  await app.stop(true)
  app = await TestApp.start({}, app.directory)
  const again = await root()
  expect(again).toMatchObject({ warning: undefined, info: undefined })
  expect(again.date).toBeGreaterThan(loud.date)
  await app.stop()
})

test('a message is one line', () => {
  for (const REPOSITORY_INFO of ['two\nlines', 'x'.repeat(501), 'a\u001b[31mcolour'])
    expect(() => readConfig({ REPOSITORY_INFO })).toThrow('one line')
})
