import { Elysia, type Static } from 'elysia'
import { newAdvisoryId } from '../../store/ids.ts'
import type { AdvisoryRow, PolicyChange } from '../../store/policy-entries.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { AdvisoryPatch, advisoryFields, NewAdvisory, shownAdvisory } from './advisory-fields.ts'
import { ADVISORY_OPERATIONS } from './advisory-operations.ts'
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

/** `/api/advisories`: what this installation knows of weaknesses in packages, its own and others'. */
export function advisoryRoutes(parts: PolicyRoutesParts) {
  const kind: EntryKind<AdvisoryRow> = {
    name: 'advisory',
    path: '/api/advisories',
    table: parts.advisories,
    shown: shownAdvisory,
  }
  return new Elysia({ prefix: kind.path })
    .use(authenticate(parts.verifier, 'unrestricted token'))
    .get('/', ({ request, query }) => listEntries(parts, kind, request, query), { detail: ADVISORY_OPERATIONS.list })
    .post(
      '/',
      ({ request, caller, body }) =>
        createEntry(parts, kind, { request, caller, body }, newAdvisory(body, parts.now())),
      { body: NewAdvisory, detail: ADVISORY_OPERATIONS.create },
    )
    .get('/:id', async ({ params }) => shownAdvisory(await findEntry(kind, params.id)), {
      detail: ADVISORY_OPERATIONS.show,
    })
    .patch(
      '/:id',
      async ({ params, request, caller, body }) => {
        const before = await findEntry(kind, params.id)
        const change: PolicyChange<AdvisoryRow> = advisoryFields(body)
        return changeEntry(parts, kind, { request, caller, before }, change)
      },
      { body: AdvisoryPatch, detail: ADVISORY_OPERATIONS.change },
    )
    .delete('/:id', ({ params, request, caller }) => removeEntry(parts, kind, { request, caller, id: params.id }), {
      detail: ADVISORY_OPERATIONS.remove,
    })
}

function newAdvisory(body: Static<typeof NewAdvisory>, now: number): AdvisoryRow {
  return {
    id: newAdvisoryId(),
    packageName: checkedName(body.package_name),
    link: null,
    cve: null,
    severity: null,
    reportedAt: now,
    ...advisoryFields(body),
    createdAt: now,
    updatedAt: now,
  }
}
