import { and, eq, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'
import { discoveryCredentialsPlace } from './discoveries.ts'
import { answerPlace } from './idempotent-answers.ts'
import { credentialsPlace } from './repositories.ts'
import { repositories, settings } from './schema.ts'
import { idempotentAnswers } from './schema-access.ts'
import { discoveries } from './schema-hosts.ts'
import { KEY_CHECK, KEY_CHECK_PLACE } from './settings.ts'
import { webhookSecretPlace } from './webhooks.ts'

/** A sealed text and the place that it is sealed to. */
export interface SealedValue {
  readonly sealed: string
  readonly place: string
  /** Puts another text there unless it became another one meanwhile. */
  replace(sealed: string): Promise<void>
}

/** A column of sealed texts. `keys` name a row, and `place` says what its text is sealed to. */
interface SealedColumn {
  readonly table: SQLiteTable
  readonly column: SQLiteColumn
  readonly keys: readonly SQLiteColumn[]
  readonly where?: SQL
  place(...keys: string[]): string
}

/** Every column that secrets are sealed in. The check of the key comes last: it tells that all the others are done. */
const SEALED_COLUMNS: readonly SealedColumn[] = [
  {
    table: repositories,
    column: repositories.credentials,
    keys: [repositories.id],
    place: (id = '') => credentialsPlace(id),
  },
  {
    table: repositories,
    column: repositories.webhookSecret,
    keys: [repositories.id],
    place: (id = '') => webhookSecretPlace(id),
  },
  {
    table: discoveries,
    column: discoveries.credentials,
    keys: [discoveries.id],
    place: (id = '') => discoveryCredentialsPlace(id),
  },
  {
    table: idempotentAnswers,
    column: idempotentAnswers.bodyHash,
    keys: [idempotentAnswers.scope, idempotentAnswers.key],
    place: (scope = '', key = '') => answerPlace('body', { scope, key }),
  },
  {
    table: idempotentAnswers,
    column: idempotentAnswers.answer,
    keys: [idempotentAnswers.scope, idempotentAnswers.key],
    place: (scope = '', key = '') => answerPlace('answer', { scope, key }),
  },
  {
    table: settings,
    column: settings.value,
    keys: [settings.name],
    where: eq(settings.name, KEY_CHECK),
    place: () => KEY_CHECK_PLACE,
  },
]

/** Everything in the database that is sealed under the key of the installation. */
export class SealedValueTable {
  constructor(private readonly db: Database) {}

  /** Every sealed value, the check of the key last. */
  async *all(): AsyncGenerator<SealedValue> {
    for (const sealed of SEALED_COLUMNS) yield* this.of(sealed)
  }

  private async *of({ table, column, keys, where, place }: SealedColumn): AsyncGenerator<SealedValue> {
    const names = Object.fromEntries(keys.map((key, index) => [`key${index}`, sql<string>`${key}`]))
    const rows = await this.db.read
      .select({ ...names, sealed: sql<string>`${column}` })
      .from(table)
      .where(and(isNotNull(column), where))
    for (const row of rows as Record<string, string>[]) {
      const values = keys.map((_, index) => row[`key${index}`] ?? '')
      const sealed = row.sealed ?? ''
      const same = and(eq(column, sealed), ...keys.map((key, index) => eq(key, values[index] ?? '')))
      const replace = async (text: string) => {
        await this.db.write((tx) =>
          tx
            .update(table)
            .set({ [keyOf(table, column)]: text })
            .where(same),
        )
      }
      yield { sealed, place: place(...values), replace }
    }
  }
}

/** The name of a column in the schema, which is what updates go by. */
function keyOf(table: SQLiteTable, column: SQLiteColumn): string {
  const found = Object.entries(table).find(([, value]) => value === column)
  return found?.[0] ?? column.name
}
