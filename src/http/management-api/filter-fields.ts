import { type Static, t } from 'elysia'
import { listNameProblem, MALWARE } from '../../composer/filter-list.ts'
import { plainAddress } from '../../composer/plain-text.ts'
import type { FilterEntryRow } from '../../store/policy-entries.ts'
import { checkedConstraint, checkedText } from './policy-entries.ts'
import { wrongField } from './request-body.ts'

/** Longest reason, in characters. */
const LONGEST_REASON = 300

const constraint = t.String({
  minLength: 1,
  maxLength: 2_000,
  description: 'a Composer constraint, like "1.2.3" or "*" for all versions',
})

const FIELDS = {
  reason: t.Optional(
    t.Union([t.String({ minLength: 1, maxLength: LONGEST_REASON }), t.Null()], {
      description: 'a text of at most 300 characters, or null',
    }),
  ),
  url: t.Optional(
    t.Union([t.String({ maxLength: 2_000 }), t.Null()], { description: 'an http or https address, or null' }),
  ),
  blocks: t.Optional(
    t.Boolean({ description: 'true or false: whether archives of these versions are refused; always true of malware' }),
  ),
}

/** Body of `POST /api/filters`. */
export const NewFilter = t.Object(
  {
    list: t.String({ minLength: 1, maxLength: 50, description: '"malware", or a name of your own' }),
    package_name: t.String({ maxLength: 200, description: 'a full package name, like acme/lib' }),
    constraint,
    ...FIELDS,
  },
  { additionalProperties: false, description: 'an entry of a filter list' },
)

/** Body of `PATCH /api/filters/{id}`: what is named is changed. */
export const FilterPatch = t.Object(
  { constraint: t.Optional(constraint), ...FIELDS },
  { additionalProperties: false, minProperties: 1, description: 'the fields to change' },
)

type Fields = Pick<FilterEntryRow, 'constraint'> & Partial<Pick<FilterEntryRow, 'reason' | 'url' | 'blocks'>>

/** The columns that a body names. Throws AppError('invalid') with `details.fields`. */
export function filterFields(body: Static<typeof NewFilter>): Fields
export function filterFields(body: Static<typeof FilterPatch>): Partial<Fields>
export function filterFields(body: Static<typeof FilterPatch>): Partial<Fields> {
  const { constraint: versions, reason, url, blocks } = body
  if (typeof url === 'string' && plainAddress(url) === null) {
    throw wrongField('url', 'needs an http or https address, or null')
  }
  return {
    ...(versions === undefined ? {} : { constraint: checkedConstraint('constraint', versions) }),
    ...(reason === undefined ? {} : { reason: checkedText('reason', reason, LONGEST_REASON) }),
    ...(url === undefined ? {} : { url }),
    ...(blocks === undefined ? {} : { blocks }),
  }
}

/** The name of a list. Throws AppError('invalid') for one that Composer would refuse. */
export function checkedList(list: string): string {
  const problem = listNameProblem(list)
  if (problem !== null) throw wrongField('list', problem)
  return list
}

/**
 * Whether archives are refused: always those on the list `malware`, which clients of every version are kept from; of
 * other lists only where the entry says so. Throws AppError('invalid') when malware is said not to.
 */
export function checkedBlocks(list: string, blocks: boolean | undefined): boolean {
  if (list === MALWARE && blocks === false) throw wrongField('blocks', 'is always true of the list malware')
  return blocks ?? list === MALWARE
}

/** A filter entry as the management API shows it. */
export function shownFilter(row: FilterEntryRow) {
  return {
    id: row.id,
    list: row.list,
    package_name: row.packageName,
    constraint: row.constraint,
    reason: row.reason,
    url: row.url,
    blocks: row.blocks,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}
