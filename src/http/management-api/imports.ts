import { Elysia, t } from 'elysia'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import type { MirrorImports } from '../../mirror/imports.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { PUT_ARCHIVE, PUT_DOCUMENTS } from './import-operations.ts'
import { wrongField } from './request-body.ts'

/** What the routes of imports work with. */
export interface ImportRoutesParts {
  readonly verifier: TokenVerifier
  readonly mirrorImports: MirrorImports
  readonly catalog: PackageCatalog
  readonly audit: AuditTrail
}

const MOST_DOCUMENTS = 1_000

const Documents = t.Object({
  documents: t.Array(
    t.Object(
      {
        name: t.String({ minLength: 3, maxLength: 200, description: 'lower-case name of the package' }),
        dev: t.Boolean({ description: 'true for the document of branches' }),
        text: t.String({ description: 'JSON in the form of a metadata file' }),
      },
      { additionalProperties: false },
    ),
    { minItems: 1, maxItems: MOST_DOCUMENTS, description: `a list of 1 to ${MOST_DOCUMENTS} documents` },
  ),
})

const ArchiveQuery = t.Object({
  package: t.String({ minLength: 3, maxLength: 200, description: 'the name of the package' }),
})

/** `PUT /api/repositories/{id}/documents` and `…/archives/{dist}`: what an export has of an upstream. */
export function importRoutes(parts: ImportRoutesParts) {
  const { verifier, mirrorImports, catalog, audit } = parts
  const documents = new Elysia({ prefix: '/api/repositories' }).use(authenticate(verifier, 'unrestricted token')).put(
    '/:id/documents',
    async ({ params, body, request, caller }) => {
      for (const { name } of body.documents) checkName(name)
      const after = { packages: [...new Set(body.documents.map(({ name }) => name))] }
      const entry = audit.recording(request, caller, { action: 'repository.import', subject: params.id, after })
      const { versions, missing } = await mirrorImports.take(params.id, body.documents, entry)
      await catalog.refresh()
      return { versions, missing }
    },
    { body: Documents, detail: PUT_DOCUMENTS },
  )
  const archives = new Elysia({ prefix: '/api/repositories' })
    .use(authenticate(verifier, 'unrestricted token', 'raw'))
    .put(
      '/:id/archives/:dist',
      async ({ params, query, request }) => {
        checkName(query.package)
        const length = request.headers.get('content-length')
        const declared = length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null
        const body = request.body ?? new Blob([]).stream()
        const wanted = { name: query.package, dist: params.dist }
        const { sha1, sha256, size } = await mirrorImports.archive(params.id, wanted, { body, declared })
        return { sha1, sha256, size }
      },
      { parse: 'none', query: ArchiveQuery, detail: PUT_ARCHIVE },
    )
  return new Elysia().use(documents).use(archives)
}

function checkName(name: string): void {
  const problem = packageNameProblem(name)
  if (problem !== null || name !== name.toLowerCase()) throw wrongField('package', 'needs a lower-case package name')
}
