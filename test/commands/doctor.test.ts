import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { Installation } from '../support/binary.ts'

setDefaultTimeout(60_000)

const installations: Installation[] = []
afterAll(async () => {
  for (const installation of installations) await installation.remove()
})

async function install(): Promise<Installation> {
  const installation = await Installation.create()
  installations.push(installation)
  return installation
}

test('works beside a server and without one, and exits 0 when everything works', async () => {
  const installation = await install()
  const server = await installation.serve()
  const beside = await installation.run(['doctor'])
  expect(beside).toMatchObject({ code: 0, stderr: '' })
  expect(beside.stdout).toMatch(/^ok {4}database: /m)
  expect(beside.stdout).toMatch(/^warn {2}BASE_URL: .*\n {6}→ Set it to/m)
  await server.stop()
  const alone = await installation.run(['doctor', '--json'])
  expect(alone.code).toBe(0)
  expect((JSON.parse(alone.stdout) as { check: string }[]).map(({ check }) => check)).toContain('database')
})

test('says what keeps the program from starting', async () => {
  const installation = await install()
  await (await installation.serve()).stop()
  const wrongKey = await installation.run(['doctor', '--json'], {
    env: { ENCRYPTION_KEY: randomBytes(32).toString('base64') },
  })
  expect(wrongKey.code).toBe(78)
  expect(JSON.parse(wrongKey.stdout)).toMatchObject([
    { check: 'start', state: 'failure', found: expect.stringContaining('ENCRYPTION_KEY is not the key') },
  ])
  const wrongValue = await installation.run(['doctor'], { env: { PORT: 'eighty' } })
  expect(wrongValue.code).toBe(2)
  expect(wrongValue.stdout).toMatch(/^FAIL {2}start: The configuration is wrong: .*PORT/m)
})
