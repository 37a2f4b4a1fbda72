import { Elysia } from 'elysia'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { pathStart } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { type AnswerParts, archiveAnswer, documentAnswer, parseDocumentName } from './answers.ts'
import type { RootDocuments } from './root-document.ts'

/** What the routes that `composer` calls work with. */
export interface ComposerRoutesParts extends AnswerParts {
  readonly verifier: TokenVerifier
  readonly roots: RootDocuments
}

/** What `composer` calls: the root document, package documents and archives. */
export function composerRoutes(parts: ComposerRoutesParts) {
  const { verifier, roots, baseUrlOf } = parts
  const archive = ({ request, caller }: { request: Request; caller: Caller }) =>
    archiveAnswer(parts, caller, request, pathStart(request.url))
  return new Elysia({ name: 'composer-api' })
    .use(authenticate(verifier, 'any token'))
    .get('/packages.json', async ({ request, caller }) =>
      (await roots.get(caller, baseUrlOf(request))).respond(request),
    )
    .get('/p2/:vendor/:file', ({ request, params, caller, query }) => {
      const wanted = parseDocumentName(params.vendor, params.file)
      return documentAnswer(parts, caller, request, { ...wanted, minified: query.minified === '1' })
    })
    .get('/dist/*', archive)
}
