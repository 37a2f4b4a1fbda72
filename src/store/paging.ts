/** A slice of a list that is ordered by creation. `cursor` is the last id of the page before. */
export interface Page {
  readonly limit: number
  readonly cursor: string | null
}

/** A page of rows, how many there are in all, and the cursor of the next page or null at the end. */
export interface PageOf<Row> {
  readonly rows: readonly Row[]
  readonly total: number
  readonly next: string | null
}

/** Cuts a list read with `limit + 1` rows into a page. */
export function pageOf<Row extends { id: string }>(rows: readonly Row[], total: number, page: Page): PageOf<Row> {
  const shown = rows.slice(0, page.limit)
  const last = shown.at(-1)
  return { rows: shown, total, next: rows.length > page.limit && last ? last.id : null }
}

/** How many there are in all, counted only when the rows of a page, read with `limit + 1`, do not say so. */
export async function totalOf(
  page: Page,
  rows: readonly unknown[],
  counted: () => Promise<{ total: number } | undefined>,
): Promise<number> {
  if (page.cursor === null && rows.length <= page.limit) return rows.length
  return (await counted())?.total ?? 0
}

/** Cuts a page out of all the rows. Behind a cursor that is none of them there is nothing. */
export function pageOfAll<Row extends { id: string }>(rows: readonly Row[], page: Page): PageOf<Row> {
  const at = page.cursor === null ? -1 : rows.findIndex((row) => row.id === page.cursor)
  const after = page.cursor !== null && at === -1 ? [] : rows.slice(at + 1)
  return pageOf(after, rows.length, page)
}
