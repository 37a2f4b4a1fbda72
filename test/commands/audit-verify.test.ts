import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'

setDefaultTimeout(60_000)

let installation: Installation

beforeAll(async () => {
  installation = await Installation.create()
  for (const description of ['one', 'two', 'three']) {
    await installation.run(['token', 'create', '--description', description])
  }
})

afterAll(() => installation?.remove())

interface Verdict {
  ok: boolean
  entries: number
  head: { id: string; hash: string }
  broken: { id: string; reason: string } | null
}

async function verify(...args: string[]) {
  const { code, stdout } = await installation.run(['audit', 'verify', '--json', ...args])
  return { code, verdict: JSON.parse(stdout) as Verdict }
}

/** Changes the record as somebody could who has the file of the database and `sqlite3`. */
function tamper(statement: string): void {
  const db = new Database(join(installation.directory, 'data/package-broker.db'))
  db.run('DROP TRIGGER IF EXISTS audit_entries_never_updated')
  db.run('DROP TRIGGER IF EXISTS audit_entries_never_deleted')
  db.run(statement)
  db.close()
}

describe('audit verify', () => {
  test('says that nothing was changed, through a server too, and finds what was', async () => {
    const { code, verdict } = await verify()
    expect({ code, verdict }).toMatchObject({ code: 0, verdict: { ok: true, broken: null } })
    const noted = `${verdict.head.id}:${verdict.head.hash}`
    expect((await verify('--head', noted)).code).toBe(0)

    const server = await installation.serve()
    expect((await verify('--head', noted)).code).toBe(0)
    await server.stop()

    tamper("UPDATE audit_entries SET actor = 'tok_other' WHERE id = 2")
    const changed = await verify()
    expect(changed).toMatchObject({ code: 1, verdict: { ok: false, broken: { id: 'aud_2' } } })
    expect((await installation.run(['audit', 'verify'])).stdout).toStartWith('aud_2: ')
  })

  test('misses the newest entries against a head that was noted', async () => {
    tamper("UPDATE audit_entries SET actor = 'local' WHERE id = 2")
    const { verdict } = await verify()
    expect(verdict.ok).toBe(true)
    tamper('DELETE FROM audit_entries WHERE id = (SELECT max(id) FROM audit_entries)')
    expect((await verify()).code).toBe(0)
    const lost = await verify('--head', `${verdict.head.id}:${verdict.head.hash}`)
    expect(lost).toMatchObject({ code: 1, verdict: { ok: false, broken: { id: verdict.head.id } } })
  })

  test.each([[['--head', 'aud_1']], [['--head']], [['more']]])('refuses %p', async (args) => {
    expect((await installation.run(['audit', 'verify', ...args])).code).toBe(2)
  })
})
