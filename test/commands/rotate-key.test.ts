import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'

setDefaultTimeout(60_000)

let installation: Installation

beforeAll(async () => {
  installation = await Installation.create()
})

afterAll(() => installation?.remove())

const newKey = () => randomBytes(32).toString('base64')

test('a configured key is changed by its successor, and the old one is needed no more', async () => {
  const [first, second] = [newKey(), newKey()]
  const alone = await installation.run(['rotate-key'], { env: { ENCRYPTION_KEY: first } })
  expect(alone).toMatchObject({ code: 1 })
  expect(alone.stderr).toContain('ENCRYPTION_KEY_PREVIOUS')
  expect((await installation.run(['token', 'list'], { env: { ENCRYPTION_KEY: second } })).code).not.toBe(0)

  const both = { ENCRYPTION_KEY: second, ENCRYPTION_KEY_PREVIOUS: first }
  const server = await installation.serve(both)
  const done = await installation.run(['rotate-key', '--json'], { env: both })
  expect(JSON.parse(done.stdout)).toEqual({ resealed: 1, key: 'environment' })
  await server.stop()
  expect((await installation.run(['token', 'list'], { env: { ENCRYPTION_KEY: second } })).code).toBe(0)
  expect((await installation.run(['token', 'list'], { env: { ENCRYPTION_KEY: first } })).code).not.toBe(0)
})

test('a key in the data directory is made anew', async () => {
  const other = await Installation.create()
  const server = await other.serve()
  const key = () => readFileSync(join(other.directory, 'data/encryption.key'), 'utf8')
  const before = key()
  expect((await other.run(['rotate-key'])).stdout).toContain('encryption.key holds the new key')
  expect(key()).not.toBe(before)
  await server.stop()
  await (await other.serve()).stop()
  await other.remove()
})
