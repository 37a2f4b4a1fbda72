import { Elysia } from 'elysia'
import { type Caller, maySee, maySeeVendor } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { AppError } from '../../errors.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { archiveResponse } from './archive-response.ts'
import { type DistParts, findArchive, parseDistRequest } from './dist.ts'
import { emptyPackageDocument, type PackageDocuments } from './package-document.ts'
import type { RootDocuments } from './root-document.ts'

/** What the routes that `composer` calls work with. */
export interface ComposerRoutesParts extends DistParts {
  readonly verifier: TokenVerifier
  readonly roots: RootDocuments
  readonly documents: PackageDocuments
  readonly baseUrlOf: BaseUrlOf
}

/** What `composer` calls: the root document, package documents and archives. */
export function composerRoutes(parts: ComposerRoutesParts) {
  const { verifier, roots, baseUrlOf } = parts
  const archive = async ({ request, caller }: { request: Request; caller: Caller }) => {
    const wanted = parseDistRequest(new URL(request.url))
    const file = await findArchive(parts, caller, wanted)
    return archiveResponse(request, file, `${wanted.name}-${wanted.version}.zip`)
  }
  return new Elysia({ name: 'composer-api' })
    .use(authenticate(verifier, 'any token'))
    .get('/packages.json', async ({ request, caller }) =>
      (await roots.get(caller.scope, baseUrlOf(request))).respond(request),
    )
    .get('/p2/:vendor/:file', ({ request, params, caller, query }) => {
      const wanted = parseDocumentName(params.vendor, params.file)
      return packageDocument(parts, caller, request, { ...wanted, minified: query.minified === '1' })
    })
    .get('/dist/*', archive)
    .head('/dist/*', archive)
}

interface DocumentRequest {
  readonly name: string
  readonly dev: boolean
  readonly minified: boolean
}

/** Reads `{package}.json` and `{package}~dev.json`; a `$…` before `.json` is what a hash would be, and is ignored. */
function parseDocumentName(vendor: string, file: string): Omit<DocumentRequest, 'minified'> {
  const stem = file.endsWith('.json') ? (file.slice(0, -'.json'.length).split('$')[0] ?? '') : ''
  const dev = stem.endsWith('~dev')
  const name = `${vendor}/${dev ? stem.slice(0, -'~dev'.length) : stem}`.toLowerCase()
  if (packageNameProblem(name) !== null) throw noSuchPackage()
  return { name, dev }
}

/**
 * An owned package that the caller may see; an empty entry for every other name of a claimed vendor, so that Composer
 * never takes a stranger's package of that name from the next repository; 404 for the rest.
 */
function packageDocument(
  parts: ComposerRoutesParts,
  caller: Caller,
  request: Request,
  { name, dev, minified }: DocumentRequest,
): Response | Promise<Response> {
  const entry = parts.catalog.get(name)
  if (entry && maySee(caller.scope, name)) {
    const document = parts.documents.get(entry, caller.scope, { dev, minified, baseUrl: parts.baseUrlOf(request) })
    return document instanceof Promise ? document.then((made) => made.respond(request)) : document.respond(request)
  }
  const vendor = name.slice(0, name.indexOf('/'))
  if (!parts.catalog.claimsVendor(vendor) || !maySeeVendor(caller.scope, vendor)) throw noSuchPackage()
  return emptyPackageDocument(name, minified).respond(request)
}

function noSuchPackage(): AppError {
  return new AppError('not_found', 'There is no such package here, or this token does not cover it.')
}
