import { afterAll, describe, expect, test } from 'bun:test'
import { AuditTable, recording } from '../../src/store/audit.ts'
import { connect } from '../../src/store/database.ts'
import { openStore, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

let made = 0

/** A database with this many entries of the audit, and what changes it as somebody with the file could. */
async function audited(entries: number) {
  const { db, url } = await openStore(`file:${directory.path}/${made++}.db`)
  const table = new AuditTable(db)
  const add = (subject: string) => db.write((tx) => recording(entryOf(subject))(tx))
  for (let number = 1; number <= entries; number++) await add(`repo_${number}`)
  async function tamper(statement: string) {
    const client = await connect({ url, authToken: null })
    await client.execute('DROP TRIGGER audit_entries_never_updated')
    await client.execute('DROP TRIGGER audit_entries_never_deleted')
    await client.execute(statement)
    client.close()
  }
  return { db, url, table, add, tamper }
}

function entryOf(subject: string) {
  return {
    at: 1_000,
    actor: 'local',
    action: 'repository.create',
    subject,
    before: null,
    after: { url: `https://git.example.org/ü\0${subject}`, 2: 'two', 1: 'one' },
    requestId: 'r',
    address: null,
  }
}

describe('the chain of the audit', () => {
  test('holds over everything that was recorded, and goes on', async () => {
    const { table, add } = await audited(0)
    expect(await table.verify()).toMatchObject({ entries: 0, head: { id: 0 }, broken: null })
    for (let number = 0; number < 1_001; number++) await add(`repo_${number}`)
    const verdict = await table.verify()
    expect(verdict).toMatchObject({ entries: 1_001, head: { id: 1_001 }, broken: null })
    expect(await table.head()).toEqual(verdict.head)
    await add('repo_more')
    expect((await table.verify(1_001)).witnessed).toBe(verdict.head.hash)
  })

  test.each([
    ['an entry that was changed', "UPDATE audit_entries SET actor = 'tok_other' WHERE id = 4", 4],
    ['settings that were changed', `UPDATE audit_entries SET after = '{"url":"x"}' WHERE id = 2`, 2],
    ['an entry that was removed', 'DELETE FROM audit_entries WHERE id = 3', 4],
    ['the first entry removed', 'DELETE FROM audit_entries WHERE id = 1', 2],
    ['a hash that was taken away', 'UPDATE audit_entries SET hash = NULL, previous_hash = NULL WHERE id = 5', 5],
    ['entries that changed places', 'UPDATE audit_entries SET id = CASE id WHEN 2 THEN 99 ELSE id END', 3],
    [
      'an entry that was put between',
      "INSERT INTO audit_entries (id, at, actor, action, subject, request_id) VALUES (0, 1, 'local', 'token.create', 'x', 'r')",
      1,
    ],
  ])('shows %s', async (_, statement, id) => {
    const { table, tamper } = await audited(6)
    await tamper(statement)
    expect((await table.verify()).broken).toMatchObject({ id })
  })

  test('that the newest entries are gone shows against a hash that was noted', async () => {
    const { table, add, tamper } = await audited(6)
    const noted = await table.head()
    await tamper('DELETE FROM audit_entries WHERE id > 4')
    expect(await table.verify(noted.id)).toMatchObject({ broken: null, witnessed: null })
    await add('repo_a')
    await add('repo_b')
    const { broken, witnessed } = await table.verify(noted.id)
    expect(broken).toBeNull()
    expect(witnessed).not.toBe(noted.hash)
  })

  test('entries from before there were hashes are covered by the first that has one', async () => {
    const { table, add, tamper } = await audited(5)
    await tamper('UPDATE audit_entries SET hash = NULL, previous_hash = NULL')
    expect(await table.verify()).toMatchObject({ entries: 5, broken: null })
    await add('repo_new')
    expect(await table.verify()).toMatchObject({ entries: 6, broken: null })
    const client = await connect({ url: `file:${directory.path}/${made - 1}.db`, authToken: null })
    await client.execute("UPDATE audit_entries SET subject = 'repo_other' WHERE id = 2")
    client.close()
    expect((await table.verify()).broken).toMatchObject({ id: 6 })
  })
})
