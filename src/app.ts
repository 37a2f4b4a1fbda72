import { Admission } from './auth/admission.ts'
import { FailedLogins } from './auth/failed-logins.ts'
import { RateLimits } from './auth/rate-limits.ts'
import { makeToken, TokenVerifier } from './auth/tokens.ts'
import type { Config } from './config.ts'
import { checkReady, type Foundation, layFoundation, type Overrides, ownsDatabase } from './foundation.ts'
import { baseUrlFinder } from './http/base-url.ts'
import { clientAddressFinder } from './http/client-address.ts'
import { MirroredDocuments } from './http/composer-api/mirrored-document.ts'
import { PackageDocuments } from './http/composer-api/package-document.ts'
import { OwnPolicies } from './http/composer-api/package-policies.ts'
import { RootDocuments } from './http/composer-api/root-document.ts'
import { DownloadCounts } from './http/download-counts.ts'
import { AuditTrail } from './http/management-api/audit-trail.ts'
import { RequestFacts } from './http/request-facts.ts'
import { createHandler } from './http/server.ts'
import { type App, runnable } from './life.ts'
import { UpstreamFilterLists } from './mirror/filter-lists.ts'
import { MirrorImports } from './mirror/imports.ts'
import { lookAtUpstream } from './mirror/look.ts'
import { MirroredArchives } from './mirror/mirrored-archives.ts'
import { type OpenMirror, openMirror } from './mirror/open-mirror.ts'
import { RelayedAdvisories } from './mirror/relayed-advisories.ts'
import { COMPOSER } from './mirror/upstream-address.ts'
import { UpstreamSet } from './mirror/upstreams.ts'
import { PackageCatalog } from './store/catalog.ts'
import { PolicyCatalog } from './store/policy-catalog.ts'
import type { RepositoryRow } from './store/repositories.ts'
import { credentialCheck } from './sync/credential-check.ts'
import { SyncQueue } from './sync/queue.ts'
import { hostOpener } from './sync/repository-host.ts'
import { credentialsOpener, sourceOpener } from './sync/repository-source.ts'
import { nextLook } from './sync/schedule.ts'
import { Scheduler } from './sync/scheduler.ts'
import { syncRepository } from './sync/sync-repository.ts'

export type { App }

/** Builds every part once, in order. Throws AppError when the environment does not allow it to run. */
export async function createApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const base = await layFoundation(config, overrides)
  try {
    return await assemble(base)
  } catch (error) {
    base.lock.release()
    throw error
  }
}

async function assemble(base: Foundation): Promise<App> {
  const { config, logger, now, tables, secretBox } = base
  const upstreamSet = new UpstreamSet(tables, credentialsOpener(secretBox), { alone: ownsDatabase(config) })
  const policies = new PolicyCatalog(tables.policyChanges, tables.advisories, tables.filters)
  const catalog = new PackageCatalog(tables.packages, {
    reservedVendors: config.reservedVendors,
    async alongside() {
      await Promise.all([upstreamSet.refresh(), policies.refresh()])
    },
  })
  await catalog.refresh()
  const facts = new RequestFacts()
  const life = { stopping: false }
  const { limits, admission, clientAddressOf } = createAdmission(base, facts)
  const localToken = makeToken()
  const verifier = new TokenVerifier(tables.tokens, now, admission).trust(localToken, 'local')
  if (config.adminToken !== null) verifier.trust(config.adminToken, 'environment')
  const mirror = openMirror({ ...base, upstreams: upstreamSet })
  const parts = { ...base, catalog, policies, upstreamSet, verifier, limits, mirror }
  const openSource = sourceOpener({ ...base, ...tables, localRoots: config.localRepositoryRoots })
  const queue = createQueue({ ...parts, openSource })
  const scheduler = new Scheduler({ repositories: tables.repositories, queue, now, logger })
  const downloadCounts = new DownloadCounts(tables.downloads, now)
  const handler = createHandler({
    ...tables,
    ...base,
    audit: new AuditTrail(tables.audit, facts, clientAddressOf, now),
    facts,
    downloadCounts,
    clientAddressOf,
    admission,
    verifier,
    catalog,
    queue,
    openSource,
    mirroredArchives: mirroredArchives(parts),
    mirrorImports: mirrorImports(parts),
    ...documentsOf(parts),
    baseUrlOf: baseUrlFinder({ baseUrl: config.baseUrl, trustProxy: config.trustProxy, peerOf: facts.peerOf }),
    ...repositoryRules(base),
    ready: () => checkReady(base, life),
  })
  return runnable({ ...parts, queue, scheduler, facts, downloadCounts, handler, localToken, life })
}

/** What adding and changing a repository goes by. */
function repositoryRules(base: Foundation) {
  const { config, now } = base
  return {
    localRoots: config.localRepositoryRoots,
    nextLookAt: (row: Pick<RepositoryRow, 'syncInterval' | 'lastSyncedAt'>) =>
      Math.max(now(), nextLook(row, config.syncInterval, row.lastSyncedAt ?? now())),
    checkCredential: credentialCheck(hostOpener(base), base),
  }
}

function mirroredArchives(parts: Parts & { readonly mirror: OpenMirror }): MirroredArchives {
  const { upstreamSet: upstreams, mirror, tables, archiveDownloads: store, http, now } = parts
  return new MirroredArchives({ mirror: mirror.documents, upstreams, table: tables.upstreamArchives, store, http, now })
}

function relayOf({ upstreamSet: upstreams, mirror, tables, logger, now }: Parts & { readonly mirror: OpenMirror }) {
  const { documents, readerOf } = mirror
  return new RelayedAdvisories({
    upstreams,
    readerOf,
    mirror: documents,
    table: tables.upstreamAdvisories,
    logger,
    now,
  })
}

function filterListsOf({ upstreamSet: upstreams, mirror, logger }: Parts & { readonly mirror: OpenMirror }) {
  return new UpstreamFilterLists({ upstreams, readerOf: mirror.readerOf, mirror: mirror.documents, logger })
}

/** What makes the documents that `composer` reads. */
function documentsOf(parts: Parts & { readonly mirror: OpenMirror }) {
  const { tables, installedAt, config, now } = parts
  const ownPolicies = new OwnPolicies(tables.advisories, tables.filters)
  return {
    mirror: parts.mirror.documents,
    directory: parts.mirror.directory,
    upstreamSet: parts.upstreamSet,
    policies: parts.policies,
    ownPolicies,
    relayed: relayOf(parts),
    filterLists: filterListsOf(parts),
    roots: new RootDocuments(parts, installedAt, config),
    documents: new PackageDocuments(tables.packages, ownPolicies),
    mirrored: new MirroredDocuments(parts.policies, ownPolicies, now),
  }
}

function mirrorImports({ upstreamSet: upstreams, tables, archiveDownloads: store, now }: Parts): MirrorImports {
  return new MirrorImports({
    ...{ upstreams, store, now },
    documents: tables.upstreamDocuments,
    files: tables.upstreamFiles,
    archives: tables.upstreamArchives,
    imports: tables.upstreamImports,
  })
}

function createAdmission({ config, now, tables }: Foundation, facts: RequestFacts) {
  const defaults = { readonly: config.rateLimitReadonly, write: config.rateLimitWrite }
  const limits = new RateLimits(tables.rateWindows, defaults, now)
  const clientAddressOf = clientAddressFinder({ trustProxy: config.trustProxy, peerOf: facts.peerOf })
  const admission = new Admission({ limits, failures: new FailedLogins(now), addressOf: clientAddressOf })
  return { limits, admission, clientAddressOf }
}

interface Parts extends Foundation {
  readonly catalog: PackageCatalog
  readonly policies: PolicyCatalog
  readonly verifier: TokenVerifier
  readonly limits: RateLimits
  readonly mirror: OpenMirror
  readonly upstreamSet: UpstreamSet
}

function createQueue(parts: Parts & { openSource: ReturnType<typeof sourceOpener> }): SyncQueue {
  const { tables, archives, config, now, logger, catalog, openSource, upstreamSet } = parts
  const key = (repositoryId: string, reference: string) => ({ repositoryId, reference, path: '' })
  const sync = {
    repositories: tables.repositories,
    state: tables.syncState,
    openSource,
    archives: {
      known: (repositoryId: string) => tables.archives.shasums(repositoryId),
      build: async (
        ...[repositoryId, commit, source, signal]: Parameters<Parameters<typeof syncRepository>[0]['archives']['build']>
      ) => (await archives.get(key(repositoryId, commit), (stop) => source.snapshot(commit, stop), signal)).sha1,
    },
    syncInterval: config.syncInterval,
    now,
    logger,
  }
  const look = {
    ...tables,
    ...{ set: upstreamSet, mirror: parts.mirror, now, logger, claimedVendors: () => catalog.claimedVendors() },
    nextLookAt: (row: RepositoryRow, interval: number | null) => nextLook(row, interval ?? config.syncInterval, now()),
  }
  return new SyncQueue({
    jobs: tables.jobs,
    repositories: tables.repositories,
    async work({ repositoryId, acceptRemovals }, report, signal) {
      const request = { repositoryId, acceptRemovals, report, signal }
      const { vcsType } = (await tables.repositories.find(repositoryId)) ?? {}
      return vcsType === COMPOSER ? lookAtUpstream(look, request) : syncRepository(sync, request)
    },
    onDone: () => catalog.refresh(),
    concurrency: config.syncConcurrency,
    now,
    logger,
  })
}
