import { Elysia, type Static } from 'elysia'
import { newId } from '../../store/ids.ts'
import type { FilterEntryRow } from '../../store/policy-entries.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { checkedBlocks, checkedList, FilterPatch, filterFields, NewFilter, shownFilter } from './filter-fields.ts'
import { FILTER_OPERATIONS } from './filter-operations.ts'
import {
  changeEntry,
  checkedName,
  createEntry,
  type EntryKind,
  findEntry,
  listEntries,
  type PolicyRoutesParts,
  removeEntry,
} from './policy-entries.ts'

/** `/api/filters`: versions of packages, own and others', that nobody is to install. */
export function filterRoutes(parts: PolicyRoutesParts) {
  const kind: EntryKind<FilterEntryRow> = {
    name: 'filter',
    path: '/api/filters',
    table: parts.filters,
    shown: shownFilter,
  }
  return new Elysia({ prefix: kind.path })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .get('/', ({ request, query }) => listEntries(parts, kind, request, query), { detail: FILTER_OPERATIONS.list })
    .post(
      '/',
      ({ request, caller, body }) => createEntry(parts, kind, { request, caller, body }, newFilter(body, parts.now())),
      { body: NewFilter, detail: FILTER_OPERATIONS.create },
    )
    .get('/:id', async ({ params }) => shownFilter(await findEntry(kind, params.id)), {
      detail: FILTER_OPERATIONS.show,
    })
    .patch(
      '/:id',
      async ({ params, request, caller, body }) => {
        const before = await findEntry(kind, params.id)
        const change = filterFields(body)
        checkedBlocks(before.list, change.blocks)
        return changeEntry(parts, kind, { request, caller, before }, change)
      },
      { body: FilterPatch, detail: FILTER_OPERATIONS.change },
    )
    .delete('/:id', ({ params, request, caller }) => removeEntry(parts, kind, { request, caller, id: params.id }), {
      detail: FILTER_OPERATIONS.remove,
    })
}

function newFilter(body: Static<typeof NewFilter>, now: number): FilterEntryRow {
  const list = checkedList(body.list)
  return {
    id: newId('flt'),
    list,
    packageName: checkedName(body.package_name),
    reason: null,
    url: null,
    ...filterFields(body),
    blocks: checkedBlocks(list, body.blocks),
    createdAt: now,
    updatedAt: now,
  }
}
