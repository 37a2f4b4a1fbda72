import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { plainText } from '../../composer/plain-text.ts'
import { isPlainConstraint } from '../../composer/served-constraint.ts'
import { AppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { PolicyChange, PolicyEntryTable } from '../../store/policy-entries.ts'
import type { BaseUrlOf } from '../base-url.ts'
import type { AuditTrail } from './audit-trail.ts'
import { createOnce, type IdempotencyParts } from './idempotency.ts'
import { listResponse, pageOf, wrongField } from './request-body.ts'

/** What the routes of advisories and filter entries work with. */
export interface PolicyRoutesParts extends IdempotencyParts {
  readonly verifier: TokenVerifier
  readonly advisories: PolicyEntryTable<'advisories'>
  readonly filters: PolicyEntryTable<'filters'>
  readonly catalog: PackageCatalog
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
}

interface Entry {
  readonly id: string
  readonly packageName: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** One of the two kinds of entries. */
export interface EntryKind<Row extends Entry> {
  /** `advisory` or `filter`: what its entries are called in the audit. */
  readonly name: string
  readonly path: string
  readonly table: EntryTable<Row>
  readonly shown: (row: Row) => object
}

interface EntryTable<Row extends Entry> {
  insert(row: Row, alongside?: Parameters<PolicyEntryTable<'filters'>['insert']>[1]): Promise<void>
  find(id: string): Promise<Row | null>
  list(...asked: Parameters<PolicyEntryTable<'filters'>['list']>): Promise<{
    rows: readonly Row[]
    total: number
    next: string | null
  }>
  update(
    id: string,
    change: PolicyChange<Row>,
    now: number,
    alongside: (after: Row) => ReturnType<AuditTrail['recording']>,
  ): Promise<Row | null>
  delete(id: string, now: number, alongside?: ReturnType<AuditTrail['recording']>): Promise<boolean>
}

/** A page of entries, of the package and list that the query names. Throws AppError('invalid'). */
export async function listEntries<Row extends Entry>(
  parts: PolicyRoutesParts,
  kind: EntryKind<Row>,
  request: Request,
  query: Record<string, string | undefined>,
): Promise<Response> {
  const { package: name, list } = query
  const filter = {
    ...(name === undefined ? {} : { packageName: name.toLowerCase() }),
    ...(list === undefined ? {} : { list }),
  }
  const page = await kind.table.list(pageOf(query), filter)
  return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(kind.shown) })
}

/** Stores a new entry, once per Idempotency-Key. */
export async function createEntry<Row extends Entry>(
  parts: PolicyRoutesParts,
  kind: EntryKind<Row>,
  { request, caller, body }: { request: Request; caller: Caller; body: unknown },
  row: Row,
): Promise<Response> {
  const answer = kind.shown(row)
  const change = { action: `${kind.name}.create`, subject: row.id, after: answer }
  const response = await createOnce(parts, { request, caller, route: `POST ${kind.path}`, body }, () => ({
    answer,
    save: (alongside) =>
      kind.table.insert(row, async (tx) => {
        await alongside(tx)
        await parts.audit.recording(request, caller, change)(tx)
      }),
  }))
  await parts.catalog.refresh()
  return response
}

/** The entry with this id. Throws AppError('not_found'). */
export async function findEntry<Row extends Entry>(kind: EntryKind<Row>, id: string): Promise<Row> {
  const row = await kind.table.find(id)
  if (!row) throw unknownEntry(kind.name, id)
  return row
}

/** Changes an entry and answers with it. Throws AppError('not_found'). */
export async function changeEntry<Row extends Entry>(
  parts: PolicyRoutesParts,
  kind: EntryKind<Row>,
  { request, caller, before }: { request: Request; caller: Caller; before: Row },
  change: PolicyChange<Row>,
): Promise<object> {
  const after = await kind.table.update(before.id, change, parts.now(), (row) =>
    parts.audit.recording(request, caller, {
      action: `${kind.name}.update`,
      subject: row.id,
      before: kind.shown(before),
      after: kind.shown(row),
    }),
  )
  if (!after) throw unknownEntry(kind.name, before.id)
  await parts.catalog.refresh()
  return kind.shown(after)
}

/** Removes an entry. Throws AppError('not_found'). */
export async function removeEntry<Row extends Entry>(
  parts: PolicyRoutesParts,
  kind: EntryKind<Row>,
  { request, caller, id }: { request: Request; caller: Caller; id: string },
): Promise<{ message: string }> {
  const before = await findEntry(kind, id)
  const change = { action: `${kind.name}.delete`, subject: id, before: kind.shown(before) }
  const removed = await kind.table.delete(id, parts.now(), parts.audit.recording(request, caller, change))
  if (!removed) throw unknownEntry(kind.name, id)
  await parts.catalog.refresh()
  return { message: 'Removed' }
}

/** A full package name in lower case. Throws AppError('invalid') with `details.fields`. */
export function checkedName(name: string): string {
  if (packageNameProblem(name) !== null) throw wrongField('package_name', 'needs a full package name, like acme/lib')
  return name.toLowerCase()
}

/** A constraint that every Composer since 2.4 reads. Throws AppError('invalid') with `details.fields`. */
export function checkedConstraint(field: string, text: string): string {
  if (isPlainConstraint(text)) return text
  throw wrongField(field, 'needs a Composer constraint of numbered versions or branches, like ">=1.0,<1.2.3|2.0.0"')
}

/** A text as one line; null when there is none. Throws AppError('invalid') for one that holds nothing to be read. */
export function checkedText(field: string, text: string | null, longest: number): string | null {
  if (text === null) return null
  const plain = plainText(text, longest)
  if (plain === null) throw wrongField(field, 'needs a text that can be read, or null')
  return plain
}

function unknownEntry(name: string, id: string): AppError {
  return new AppError('not_found', `There is no ${name === 'advisory' ? 'advisory' : 'filter entry'} ${id}.`)
}
