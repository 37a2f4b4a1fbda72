import { createHash } from 'node:crypto'
import { Elysia, t } from 'elysia'
import type { Upload, UploadStore } from '../../archives/upload-store.ts'
import type { Caller } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { artifactVersion } from '../../composer/artifact-version.ts'
import { AppError } from '../../errors.ts'
import type { ArtifactDraft, ArtifactTable, StoredArtifact } from '../../store/artifacts.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { RepositoryTable } from '../../store/repositories.ts'
import type { BaseUrlOf } from '../base-url.ts'
import { distOf } from '../dist-link.ts'
import { authenticate } from '../plugins/authenticate.ts'
import { PUT_ARTIFACT } from './artifact-operations.ts'
import { ARTIFACT } from './artifact-repository.ts'
import type { AuditTrail } from './audit-trail.ts'
import { latestOf } from './shown-package.ts'

/** What the route of uploads works with. `now` gives Unix seconds. */
export interface ArtifactRoutesParts {
  readonly verifier: TokenVerifier
  readonly repositories: RepositoryTable
  readonly artifacts: ArtifactTable
  readonly uploads: UploadStore
  readonly catalog: PackageCatalog
  readonly audit: AuditTrail
  readonly baseUrlOf: BaseUrlOf
  /** Largest zip, in bytes. */
  readonly uploadMaxBytes: number
  readonly now: () => number
}

const UploadQuery = t.Object({
  version: t.Optional(t.String({ minLength: 1, maxLength: 255, description: 'a version of 1 to 255 characters' })),
})

/** `PUT /api/repositories/{id}/artifacts`: a version is uploaded as a zip. */
export function artifactRoutes(parts: ArtifactRoutesParts) {
  return new Elysia({ prefix: '/api/repositories' }).use(authenticate(parts.verifier, 'unrestricted token', 'raw')).put(
    '/:id/artifacts',
    async ({ params, query, request, caller, status }) => {
      await assertTakesUploads(parts.repositories, params.id)
      const target = { id: params.id, version: query.version ?? null, request, caller }
      const { created, view } = await takeUpload(parts, target)
      // Also for the same bytes again: the first time may have failed right behind its transaction.
      await parts.catalog.refresh()
      return status(created ? 201 : 200, view)
    },
    // The body is the zip itself: whoever parses it holds it in memory.
    { parse: 'none', query: UploadQuery, detail: PUT_ARTIFACT },
  )
}

async function assertTakesUploads(repositories: RepositoryTable, id: string): Promise<void> {
  const row = await repositories.find(id)
  if (!row) throw new AppError('not_found', `There is no repository ${id}.`)
  if (row.vcsType === ARTIFACT) return
  throw new AppError(
    'conflict',
    `Repository ${id} is read from ${row.vcsType} and takes no uploads; add one with vcs_type artifact.`,
  )
}

/** Where an upload goes, and who sent it. */
interface Target {
  readonly id: string
  /** The version that the uploader names, or null. */
  readonly version: string | null
  readonly request: Request
  readonly caller: Caller
}

/** Receives, checks and publishes; nothing is visible before all of it has succeeded. */
async function takeUpload(parts: ArtifactRoutesParts, target: Target) {
  const { request } = target
  const declared = request.headers.get('content-length')
  const upload = await parts.uploads.receive({
    body: request.body,
    declared: declared === null ? null : Number(declared),
    maxBytes: parts.uploadMaxBytes,
    signal: request.signal,
  })
  try {
    const now = parts.now()
    const draft = draftOf(target, upload, now)
    const view = (stored: StoredArtifact) => shownArtifact(draft, stored, upload, parts.baseUrlOf(request))
    const stored = await parts.uploads.publish(upload, () =>
      parts.artifacts.publish(draft, now, (created) => recordUpload(parts, target, view(created))),
    )
    return { created: stored.created, view: view(stored) }
  } finally {
    await parts.uploads.discard(upload)
  }
}

function recordUpload(parts: ArtifactRoutesParts, target: Target, view: ReturnType<typeof shownArtifact>) {
  const { warnings: _warnings, dist: _dist, ...after } = view
  return parts.audit.recording(target.request, target.caller, {
    action: 'artifact.create',
    subject: view.package_id,
    after,
  })
}

function draftOf(target: Target, upload: Upload, now: number): ArtifactDraft {
  const { size, sha1, sha256, zip } = upload
  const found = artifactVersion(zip.manifest, target.version, now)
  const { packageName, prettyName, summary, ...version } = found
  return {
    repositoryId: target.id,
    packageName,
    summary: { prettyName, ...summary, abandoned: summary.abandoned ?? false },
    manifest: Buffer.from(zip.manifest).toString('utf8'),
    digests: { size, sha1, sha256 },
    version: {
      ...version,
      kind: 'artifact',
      refName: version.version,
      reference: sha1,
      path: '',
      shasum: sha1,
      blob: blobId(zip.manifest),
      defaultBranch: false,
    },
    latestOf,
  }
}

/** The id that git gives to this content (git: hash-object). */
function blobId(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

function shownArtifact(draft: ArtifactDraft, { packageId, row }: StoredArtifact, upload: Upload, baseUrl: string) {
  return {
    package_id: packageId,
    repository_id: draft.repositoryId,
    name: draft.packageName,
    version: row.version,
    version_normalized: row.versionNormalized,
    stability: row.stability,
    reference: row.reference,
    size: upload.size,
    released_at: row.releasedAt,
    dist: distOf(draft.packageName, row, baseUrl),
    warnings: upload.zip.warnings,
  }
}
