import { IncomingArchive } from '../../archives/incoming-archive.ts'
import { type Caller, maySee, maySeeVendor, refusalOf } from '../../auth/scope.ts'
import { packageNameProblem } from '../../composer/package-name.ts'
import { AppError } from '../../errors.ts'
import type { MirroredDocument, ReadyMirror } from '../../mirror/upstream.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { archiveResponse, incomingArchiveResponse } from './archive-response.ts'
import { type DistParts, type DistRequest, findArchive, parseDistRequest } from './dist.ts'
import type { MirroredDocuments } from './mirrored-document.ts'
import { emptyPackageDocument, type PackageDocuments } from './package-document.ts'
import { type OwnPolicies, policyMembers } from './package-policies.ts'
import type { FoundArchive, RecentArchives } from './recent-archives.ts'
import { findUpstreamArchive, type UpstreamDistParts } from './upstream-dist.ts'

/** What answers about packages are made from. */
export interface AnswerParts extends DistParts, UpstreamDistParts {
  readonly documents: PackageDocuments
  /** Packages of upstreams. */
  readonly mirror: ReadyMirror
  readonly mirrored: MirroredDocuments
  readonly ownPolicies: OwnPolicies
  readonly recentArchives: RecentArchives
  readonly baseUrlOf: BaseUrlOf
}

/** Which document of a package. */
export interface DocumentRequest {
  /** Lower-case full name. */
  readonly name: string
  readonly dev: boolean
  readonly minified: boolean
}

/**
 * Reads `{package}.json` and `{package}~dev.json`; a `$…` before `.json` is what a hash would be, and is ignored.
 * The name may still be none.
 */
export function parseDocumentName(vendor: string, file: string): Omit<DocumentRequest, 'minified'> {
  const stem = file.endsWith('.json') ? (file.slice(0, -'.json'.length).split('$')[0] ?? '') : ''
  const dev = stem.endsWith('~dev')
  const name = `${vendor}/${dev ? stem.slice(0, -'~dev'.length) : stem}`.toLowerCase()
  return { name, dev }
}

/**
 * An owned package that the caller may see; an empty entry for every other name of a claimed vendor, so that Composer
 * never takes a stranger's package of that name from the next repository; what an upstream has of any other name that
 * the caller may see; AppError('not_found') for the rest. Throws AppError('upstream') when an upstream cannot be asked.
 */
export function documentAnswer(
  parts: AnswerParts,
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
  const claimed = parts.catalog.claimsVendor(vendor)
  const known = !claimed && maySee(caller.scope, name) ? parts.mirror.known(name, dev) : null
  if (known) return mirroredAnswer(parts, caller, request, { document: known, minified })
  // Only here: the name of a package that is known was checked when it came in.
  if (packageNameProblem(name) !== null) throw noSuchPackage()
  if (claimed) {
    if (!maySeeVendor(caller.scope, vendor)) throw noSuchPackage()
    return claimedAnswer(parts, caller, request, { name, dev, minified })
  }
  if (!maySee(caller.scope, name)) throw noSuchPackage()
  return Promise.resolve(parts.mirror.document(name, dev)).then((document) =>
    mirroredAnswer(parts, caller, request, { document, minified }),
  )
}

function mirroredAnswer(
  { mirrored, baseUrlOf }: AnswerParts,
  caller: Caller,
  request: Request,
  { document, minified }: { document: MirroredDocument | null; minified: boolean },
): Response | Promise<Response> {
  if (document === null) throw noSuchPackage()
  const rendered = mirrored.get(document, caller.scope, { minified, baseUrl: baseUrlOf(request) })
  return rendered instanceof Promise ? rendered.then((made) => made.respond(request)) : rendered.respond(request)
}

/** A name that is ours and offers nothing. Only those who may see it learn what is said of it. */
function claimedAnswer(
  { policies, ownPolicies }: AnswerParts,
  caller: Caller,
  request: Request,
  { name, dev, minified }: DocumentRequest,
): Response | Promise<Response> {
  const said = !dev && maySee(caller.scope, name) && policies.modifiedAt(name) > 0
  if (!said) return emptyPackageDocument(name, minified).respond(request)
  return ownPolicies
    .of(name)
    .then((known) => emptyPackageDocument(name, minified, policyMembers(name, known)).respond(request))
}

/**
 * The archive at the address of a request, whose path begins at `pathAt`.
 * Throws what `findArchive` and `findUpstreamArchive` throw.
 */
export function archiveAnswer(
  parts: AnswerParts,
  caller: Caller,
  request: Request,
  pathAt: number,
): Response | Promise<Response> {
  const address = request.url.slice(pathAt)
  const revision = parts.catalog.revision
  const recent = parts.recentArchives.get(address, revision)
  // One that the caller does not cover is looked for all the same, as is one that does not exist.
  if (!recent || !isJudged(parts, recent) || refusalOf(caller.scope, recent.packageName, recent.version) !== null) {
    return foundArchive(parts, caller, request, { address, revision })
  }
  return archiveResponse(request, recent.file, recent.fileName)
}

async function foundArchive(
  parts: AnswerParts,
  caller: Caller,
  request: Request,
  { address, revision }: { address: string; revision: number },
): Promise<Response> {
  const wanted = parseDistRequest(new URL(request.url))
  const { archive, ...found } = isUpstreams(wanted)
    ? await findUpstreamArchive(parts, caller, request, wanted)
    : await findArchive(parts, caller, wanted)
  const fileName = `${wanted.name}-${wanted.version}.${wanted.ending}`
  if (archive instanceof IncomingArchive) return incomingArchiveResponse(archive, fileName)
  parts.recentArchives.keep(address, revision, { packageName: wanted.name, ...found, fileName, file: archive })
  return archiveResponse(request, archive, fileName)
}

/** True while the document that let an archive pass is still the one that counts. */
function isJudged({ mirror }: AnswerParts, { judgedBy, packageName }: FoundArchive): boolean {
  return judgedBy === undefined || mirror.known(packageName, false) === judgedBy
}

function isUpstreams(wanted: DistRequest): wanted is DistRequest & { readonly dist: string } {
  return wanted.dist !== null
}

function noSuchPackage(): AppError {
  return new AppError('not_found', 'There is no such package here, or this token does not cover it.')
}
