import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'

/**
 * Many rows as the source of one `INSERT … SELECT`, to be given to drizzle's `insert(table).select(…)`. They go to the
 * database as one JSON text, so that the statement is as short for a thousand rows as for one: preparing a long list
 * of values took most of the time of a first sync.
 */
export function manyRows<Table extends SQLiteTable>(table: Table, rows: readonly Table['$inferInsert'][]): SQL {
  const columns = Object.entries(getTableColumns(table))
  const values = rows.map((row: Record<string, unknown>) =>
    columns.map(([key, column]) => {
      const value = row[key] === undefined ? (column.default ?? null) : row[key]
      return value === null ? null : column.mapToDriverValue(value)
    }),
  )
  const fields = columns.map((_, index) => sql.raw(`value ->> ${index}`))
  // The condition tells SQLite that a following ON CONFLICT is no join (SQLite: UPSERT, parsing ambiguity).
  return sql`SELECT ${sql.join(fields, sql.raw(', '))} FROM json_each(${JSON.stringify(values)}) WHERE true`
}
