import { Elysia, t } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import type { Conflict, UpstreamNameTable } from '../../store/upstream-names.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { idOf, PAGING, part, shape } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { listResponse, pageOf } from './request-body.ts'

/** What the routes of conflicts work with. */
export interface ConflictRoutesParts {
  readonly verifier: TokenVerifier
  readonly upstreamNames: UpstreamNameTable
  readonly baseUrlOf: BaseUrlOf
}

const ShownConflict = shape('Conflict', {
  name: t.String({ description: 'name of the package' }),
  repository_id: idOf('repo', 'the repository that owns the name here'),
  upstreams: t.Array(part({ repository_id: idOf('repo', 'the upstream'), url: t.String() }), {
    description: 'the upstreams that have a package of this name too',
  }),
})

const EXAMPLE = {
  name: 'acme/lib',
  repository_id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  upstreams: [{ repository_id: 'repo_7QmR2sXv9TzYhKpL4wB', url: 'https://repo.packagist.org' }],
}

const LIST = operation({
  id: 'listConflicts',
  tag: 'Packages',
  access: 'unrestricted token',
  summary: 'List owned names that upstreams have too',
  description:
    'Packages of these names come from here alone. They are found in the lists of the upstreams: no owned name is sent there.',
  query: PAGING,
  answers: {
    200: {
      description: 'A page of conflicts, by name.',
      schema: t.Array(ShownConflict),
      headers: ['X-Total-Count', 'Link'],
      examples: { conflicts: [EXAMPLE] },
    },
  },
})

/** `/api/conflicts`: names that exist here and elsewhere. */
export function conflictRoutes(parts: ConflictRoutesParts) {
  return new Elysia({ prefix: '/api/conflicts' }).use(authenticate(parts.verifier, 'unrestricted token')).get(
    '/',
    async ({ request, query }) => {
      const page = await parts.upstreamNames.conflicts(pageOf(query))
      return listResponse(request, parts.baseUrlOf(request), { ...page, body: page.rows.map(shownConflict) })
    },
    { detail: LIST },
  )
}

function shownConflict({ name, repositoryId, upstreams }: Conflict) {
  return {
    name,
    repository_id: repositoryId,
    upstreams: upstreams.map((upstream) => ({ repository_id: upstream.repositoryId, url: upstream.url })),
  }
}
