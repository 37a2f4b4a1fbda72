import { eq, sql } from 'drizzle-orm'
import type { Database, Queries } from './database.ts'
import { settings } from './schema.ts'

/** Small facts about the whole installation. */
export class SettingTable {
  constructor(private readonly db: Database) {}

  /** The value of a setting, or null when it was never set. */
  async get(name: string): Promise<string | null> {
    const row = await this.db.read.select().from(settings).where(eq(settings.name, name)).get()
    return row?.value ?? null
  }

  /**
   * Notes the value of something that is set outside, and counts a change of it as one of what is offered here. It
   * began as `usual`.
   */
  async note(name: string, value: string, usual: string): Promise<void> {
    if (((await this.get(name)) ?? usual) === value) return
    await this.db.write(async (tx) => {
      await tx.insert(settings).values({ name, value }).onConflictDoUpdate({ target: settings.name, set: { value } })
      await nextRevision(tx)
    })
  }

  /** Sets a value that nothing offered here depends on. */
  async set(name: string, value: string): Promise<void> {
    await this.db.write((tx) =>
      tx.insert(settings).values({ name, value }).onConflictDoUpdate({ target: settings.name, set: { value } }),
    )
  }

  /** Sets a value unless there is one; returns the value that counts. */
  async setOnce(name: string, value: string): Promise<string> {
    return this.db.write(async (tx) => {
      await tx.insert(settings).values({ name, value }).onConflictDoNothing()
      const row = await tx.select().from(settings).where(eq(settings.name, name)).get()
      return row?.value ?? value
    })
  }
}

/** Takes the next number of the counter that orders all changes of packages, inside a write transaction. */
export async function nextRevision(tx: Queries): Promise<number> {
  const row = await tx
    .insert(settings)
    .values({ name: REVISION, value: '1' })
    .onConflictDoUpdate({ target: settings.name, set: { value: sql`CAST(CAST(value AS INTEGER) + 1 AS TEXT)` } })
    .returning()
    .get()
  return Number(row.value)
}

/** The last number given out. */
export async function currentRevision(read: Queries): Promise<number> {
  const row = await read.select().from(settings).where(eq(settings.name, REVISION)).get()
  return Number(row?.value ?? 0)
}

const REVISION = 'package_revision'

/** The setting that a wrong key is found with, and what it is sealed to. */
export const KEY_CHECK = 'key_check'
export const KEY_CHECK_PLACE = `settings/${KEY_CHECK}`
