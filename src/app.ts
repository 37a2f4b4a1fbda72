import { createAdmission } from './assembly/admission.ts'
import { discoveriesOf } from './assembly/discoveries.ts'
import { documentsOf } from './assembly/documents.ts'
import { openSyncWork, repositoryRules } from './assembly/sync-work.ts'
import { webhookParts } from './assembly/webhooks.ts'
import { makeToken, TokenVerifier } from './auth/tokens.ts'
import type { Config } from './config.ts'
import { examine } from './doctor/examine.ts'
import { checkReady, type Foundation, layFoundation, type Overrides, ownsDatabase } from './foundation.ts'
import { baseUrlFinder } from './http/base-url.ts'
import { DownloadCounts } from './http/download-counts.ts'
import { AuditTrail } from './http/management-api/audit-trail.ts'
import { RequestFacts } from './http/request-facts.ts'
import { createHandler } from './http/server.ts'
import { type App, runnable } from './life.ts'
import { openMirror } from './mirror/open-mirror.ts'
import { UpstreamSet } from './mirror/upstreams.ts'
import { PackageCatalog } from './store/catalog.ts'
import { PolicyCatalog } from './store/policy-catalog.ts'
import { HostBudgets } from './sync/host-budgets.ts'
import { credentialsOpener } from './sync/repository-source.ts'

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
  const { config, now, tables, secretBox } = base
  const upstreamSet = new UpstreamSet(tables, credentialsOpener(secretBox), { alone: ownsDatabase(config) })
  const policies = new PolicyCatalog(tables.policyChanges, tables.advisories, tables.filters)
  const catalog = await openCatalog(base, () => Promise.all([upstreamSet.refresh(), policies.refresh()]))
  const facts = new RequestFacts()
  const life = { stopping: false }
  const { limits, admission, clientAddressOf } = createAdmission(base, facts)
  const localToken = makeToken()
  const verifier = new TokenVerifier(tables.tokens, now, admission).trust(localToken, 'local')
  if (config.adminToken !== null) verifier.trust(config.adminToken, 'environment')
  const mirror = openMirror({ ...base, upstreams: upstreamSet })
  const parts = { ...base, catalog, policies, upstreamSet, verifier, limits, mirror, budgets: new HostBudgets(now) }
  const work = openSyncWork(parts)
  const discoveries = discoveriesOf({ ...parts, ...work })
  const told = { facts, downloadCounts: new DownloadCounts(tables.downloads, now), ...webhookParts(parts) }
  const handler = createHandler({
    ...tables,
    ...base,
    audit: new AuditTrail(tables.audit, facts, clientAddressOf, now),
    ...told,
    clientAddressOf,
    admission,
    verifier,
    catalog,
    ...work,
    wakeLooks: () => discoveries.wake(),
    ...documentsOf(parts),
    baseUrlOf: baseUrlFinder({ baseUrl: config.baseUrl, trustProxy: config.trustProxy, peerOf: facts.peerOf }),
    ...repositoryRules(parts),
    examine: () => examine(base),
    ready: () => checkReady(base, life),
  })
  return runnable({ ...parts, ...told, ...work, discoveries, handler, localToken, life })
}

async function openCatalog({ tables, config }: Foundation, alongside: () => Promise<unknown>): Promise<PackageCatalog> {
  const catalog = new PackageCatalog(tables.packages, {
    reservedVendors: config.reservedVendors,
    async alongside() {
      await alongside()
    },
  })
  await catalog.refresh()
  return catalog
}
