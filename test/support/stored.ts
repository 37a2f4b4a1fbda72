import { join } from 'node:path'
import { connect } from '../../src/store/database.ts'
import type { TestApp } from './app.ts'

/**
 * Asks or changes the database of an app beside it. Through the library that the app uses: another one in the same
 * process would give up the app's locks when it closes the file.
 */
export async function stored(
  app: TestApp,
  statement: string,
  ...args: (string | number | null)[]
): Promise<Record<string, unknown>[]> {
  const client = await connect({ url: `file:${join(app.directory, 'data/package-broker.db')}`, authToken: null })
  try {
    const result = await client.execute({ sql: statement, args })
    return result.rows.map((row) => Object.fromEntries(result.columns.map((column) => [column, row[column]])))
  } finally {
    client.close()
  }
}
