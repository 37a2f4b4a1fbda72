import { afterAll, describe, expect, test } from 'bun:test'
import { sql } from 'drizzle-orm'
import { isAppError } from '../../src/errors.ts'
import { connect, openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SettingTable } from '../../src/store/settings.ts'
import { openStore, startChild, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
afterAll(() => directory.remove())

let files = 0
function newFile(): string {
  return `${directory.path}/${files++}.db`
}

async function openFile(file = newFile()) {
  return { file, ...(await openStore(`file:${file}`)) }
}

const names = sql`SELECT name FROM settings ORDER BY name`
const put = (name: string) => sql`INSERT INTO settings VALUES (${name}, 'x')`

/** What another process finds in the file: nothing that this process only believes it has stored. */
async function seenByOthers(file: string): Promise<string[]> {
  const child = startChild('read', file, 'SELECT name FROM settings ORDER BY name')
  return (JSON.parse(await child.line()) as string[][]).flat()
}

describe('a local database', () => {
  test('has its pragmas on every connection, also within and after transactions', async () => {
    const { db, url } = await openFile()
    const pragmas = async (run: typeof db.read) => [
      await run.get(sql`PRAGMA journal_mode`),
      await run.get(sql`PRAGMA synchronous`),
      await run.get(sql`PRAGMA foreign_keys`),
    ]
    const wanted = [{ journal_mode: 'wal' }, { synchronous: 2 }, { foreign_keys: 1 }]
    expect(await pragmas(db.read)).toMatchObject(wanted)
    expect(await db.write((tx) => pragmas(tx))).toMatchObject(wanted)
    await db.write(() => Promise.reject(new Error('rolled back'))).catch(() => {})
    expect(await db.write((tx) => pragmas(tx))).toMatchObject(wanted)
    const client = await connect({ url, authToken: null })
    expect((await client.execute('PRAGMA foreign_keys')).rows[0]?.foreign_keys).toBe(1)
    client.close()
    await db.close()
  })

  test('loses nothing in a thousand mixed operations at once', async () => {
    const { db, file } = await openFile()
    const expected: string[] = []
    const operations: Promise<unknown>[] = []
    for (let index = 0; index < 1_000; index++) {
      const name = `n${String(index).padStart(4, '0')}`
      if (index % 3 === 0) {
        operations.push(db.read.all(names))
      } else if (index % 7 === 0) {
        const failing = db.write(async (tx) => {
          await tx.run(put(name))
          if (index % 2 === 0) await Bun.sleep(0)
          throw new Error('no')
        })
        operations.push(
          failing.then(
            () => Promise.reject(new Error('it did not throw')),
            () => {},
          ),
        )
      } else {
        expected.push(name)
        operations.push(db.write(async (tx) => void (await tx.run(put(name)))))
      }
    }
    await Promise.all(operations)
    expect(await db.read.all<{ name: string }>(names).then((rows) => rows.map((row) => row.name))).toEqual(expected)
    await db.close()
    expect(await seenByOthers(file)).toEqual(expected)
  })

  test('takes back a write that throws, and does the next one', async () => {
    const { db, file } = await openFile()
    const first = db.write(async (tx) => {
      await tx.run(put('half'))
      throw new Error('changed my mind')
    })
    const duplicate = db.write(async (tx) => {
      await tx.run(put('twice'))
      await tx.run(put('twice'))
    })
    const second = db.write((tx) => tx.run(put('whole')))
    expect(await first.catch((error: Error) => error.message)).toBe('changed my mind')
    await expect(duplicate).rejects.toThrow()
    await second
    await db.close()
    expect(await seenByOthers(file)).toEqual(['whole'])
  })

  test('reads while a write is under way, and sees it when it is done', async () => {
    const { db } = await openFile()
    let seen: unknown[] = ['not asked']
    await db.write(async (tx) => {
      await tx.run(put('new'))
      seen = await db.read.all(names)
    })
    expect(seen).toEqual([])
    expect(await db.read.all(names)).toHaveLength(1)
    await db.close()
  })

  test('says unavailable while another program holds the lock, and really stores what is written later', async () => {
    const { db, file } = await openFile()
    await db.write((tx) => tx.run(put('before')))
    const holder = startChild('hold', file)
    expect(await holder.line()).toBe('held')
    const refused = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        db
          .write((tx) => tx.run(put(name)))
          .then(
            () => 'stored',
            (error: unknown) => isAppError(error, 'unavailable'),
          ),
      ),
    )
    expect(refused).toEqual([true, true, true])
    expect(await db.read.all(names)).toHaveLength(1)
    await holder.say('go')
    expect(await holder.line()).toBe('freed')
    // For a moment writes are still refused without a try.
    const stored = () =>
      db
        .write((tx) => tx.run(put('d')))
        .then(
          () => true,
          (error: unknown) => !isAppError(error, 'unavailable'),
        )
    while (!(await stored())) await Bun.sleep(10)
    for (const name of ['e', 'f']) await db.write((tx) => tx.run(put(name)))
    expect(await db.read.all(names)).toHaveLength(4)
    await holder.exited
    await db.close()
    expect(await seenByOthers(file)).toEqual(['before', 'd', 'e', 'f'])
  })

  test('waits with closing for the writes that were asked for', async () => {
    const { db, file } = await openFile()
    const writes = ['a', 'b', 'c'].map((name) => db.write((tx) => tx.run(put(name))))
    await db.close()
    await Promise.all(writes)
    expect(await seenByOthers(file)).toEqual(['a', 'b', 'c'])
  })

  test('refuses a row whose repository does not exist', async () => {
    const { db } = await openFile()
    await expect(
      db.write((tx) => tx.run(sql`INSERT INTO refs VALUES ('repo_none', 'refs/tags/1', 'c', NULL)`)),
    ).rejects.toThrow()
    await db.close()
  })

  test('keeps what was said when it is opened again', async () => {
    const file = newFile()
    await migrate({ url: `file:${file}`, authToken: null })
    for (const value of ['first', 'second']) {
      const db = await openDatabase({ url: `file:${file}`, authToken: null })
      expect(await new SettingTable(db).setOnce('name', value)).toBe('first')
      await db.close()
    }
  })
})
