import { Elysia, t } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'
import type { RepositoryTable } from '../../store/repositories.ts'
import { operation } from '../openapi/operation.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { RepositoryFeed } from './repository-feed.ts'

/** What the route of events works with. */
export interface RepositoryEventParts {
  readonly verifier: TokenVerifier
  readonly repositories: RepositoryTable
  readonly feed: RepositoryFeed
}

const DESCRIPTION = `Server-sent events, from the state now on until the client goes, the repository or its token is removed or \
the server stops. \`status\` tells status, error and times, and whether a sync is under way; \`progress\` how far it is; \
\`done\` and \`failed\` what it changed, as \`/syncs\` does.`

const OPERATION = operation({
  tag: 'Repositories',
  access: 'unrestricted token',
  id: 'followRepository',
  summary: 'Follow what happens to a repository',
  description: DESCRIPTION,
  pathParameters: {
    id: { description: 'Id of the repository.', schema: t.String(), example: 'repo_4XfJ2mQv7RtYhKpL9wZ' },
  },
  answers: {
    200: {
      description: 'The events, as they happen.',
      contentType: 'text/event-stream',
      headers: ['Cache-Control', 'X-Accel-Buffering'],
    },
  },
  errors: { not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ.' },
})

/** `GET /api/repositories/{id}/events`: what happens to a repository, as it happens. */
export function repositoryEventRoutes({ verifier, repositories, feed }: RepositoryEventParts) {
  return new Elysia({ prefix: '/api/repositories' }).use(authenticate(verifier, 'unrestricted token')).get(
    '/:id/events',
    async ({ params, caller, request }) => {
      if ((await repositories.find(params.id)) === null) {
        throw new AppError('not_found', `There is no repository ${params.id}.`)
      }
      const response = feed.open(params.id, caller)
      // The body of an answer to HEAD is never read, and would stay open.
      if (request.method === 'HEAD') await response.body?.cancel()
      return response
    },
    { detail: OPERATION },
  )
}
