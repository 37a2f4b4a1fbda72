import { access, constants } from 'node:fs/promises'
import type { ArchiveEvent } from './archives/archive-index.ts'
import { ArchiveStore } from './archives/archive-store.ts'
import type { FileSystem } from './archives/file-system.ts'
import { UploadStore } from './archives/upload-store.ts'
import { Admission } from './auth/admission.ts'
import { encryptionKey } from './auth/encryption-key.ts'
import { FailedLogins } from './auth/failed-logins.ts'
import { createFirstToken } from './auth/first-token.ts'
import { RateLimits } from './auth/rate-limits.ts'
import { createSecretBox, type SecretBox } from './auth/secret-box.ts'
import { makeToken, TokenVerifier } from './auth/tokens.ts'
import type { Config } from './config.ts'
import { makeDirectories, socketPath } from './data-directory.ts'
import { baseUrlFinder } from './http/base-url.ts'
import { clientAddressFinder } from './http/client-address.ts'
import { PackageDocuments } from './http/composer-api/package-document.ts'
import { RootDocuments } from './http/composer-api/root-document.ts'
import { DownloadCounts } from './http/download-counts.ts'
import { type Listener, listenOnPort, listenOnSocket } from './http/listen.ts'
import { AuditTrail } from './http/management-api/audit-trail.ts'
import { REPEATED_FOR } from './http/management-api/idempotency.ts'
import { RequestFacts } from './http/request-facts.ts'
import { createHandler } from './http/server.ts'
import { logArchiveEvent } from './observability/archive-events.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import type { Resolve } from './sources/address-guard.ts'
import { createUpstreamHttp } from './sources/upstream-http.ts'
import { PackageCatalog } from './store/catalog.ts'
import { type Database, databaseDirectory, isLocal, openDatabase } from './store/database.ts'
import { type InstanceLock, lockInstance } from './store/instance-lock.ts'
import { migrate } from './store/migrate.ts'
import type { SettingTable } from './store/settings.ts'
import { openTables, type Tables } from './store/tables.ts'
import { SyncQueue } from './sync/queue.ts'
import { sourceOpener } from './sync/repository-source.ts'
import { nextLook } from './sync/schedule.ts'
import { Scheduler } from './sync/scheduler.ts'
import { syncRepository } from './sync/sync-repository.ts'
import { Upkeep } from './upkeep.ts'

/** Where tests put their own parts; `now` gives Unix seconds. */
export interface Overrides {
  readonly now?: () => number
  readonly fetch?: typeof fetch
  readonly resolve?: Resolve
  readonly logger?: Logger
  /** File operations of uploads. */
  readonly uploadFiles?: FileSystem
  /** What the process is for, shown to a second one that wants the same data. */
  readonly purpose?: string
}

/** The program, built and not yet running. */
export interface App {
  readonly config: Config
  readonly logger: Logger
  readonly handler: ReturnType<typeof createHandler>
  /** A token that may do everything, known to this process only. */
  readonly localToken: string
  /** Creates the first token that may do everything and returns it, once: null when there is another way in. */
  firstAdminToken(): Promise<string | null>
  /** Begins to run queued syncs, without the schedule. */
  startWorkers(): void
  /** Listens, and begins workers, schedule and upkeep. */
  start(): Promise<Listener>
  /** Finishes what is under way within `graceMs` and closes everything. */
  stop(graceMs?: number): Promise<void>
}

const DEFAULT_GRACE_MS = 30_000
const SYNC_GRACE_MS = 10_000
const UPKEEP_MS = 30_000
const COUNT_MS = 2_000
const FOLLOW_MS = 1_000

/** Builds every part once, in order. Throws AppError when the environment does not allow it to run. */
export async function createApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const logger = overrides.logger ?? createLogger({ level: config.logLevel, format: config.logFormat })
  const now = overrides.now ?? (() => Math.floor(Date.now() / 1000))
  makeDirectories(config)
  const address = { url: config.databaseUrl, authToken: config.databaseAuthToken }
  const owned = [config.dataDir, databaseDirectory(address) ?? config.dataDir]
  const lock = await lockInstance(owned, overrides.purpose ?? 'serve')
  try {
    const applied = await migrate(address)
    if (applied > 0) logger.info('database migrated', { migrations: applied })
    const db = await openDatabase(address)
    return await assemble({ config, overrides, logger, now, db, lock })
  } catch (error) {
    lock.release()
    throw error
  }
}

interface Foundation {
  readonly config: Config
  readonly overrides: Overrides
  readonly logger: Logger
  readonly now: () => number
  readonly db: Database
  readonly lock: InstanceLock
}

async function assemble(base: Foundation): Promise<App> {
  const { config, logger, now, db } = base
  const tables = openTables(db)
  const secretBox = await checkedBox(config, tables.settings)
  const installedAt = Number(await tables.settings.setOnce('installed_at', String(now())))
  if (ownsDatabase(config)) await tables.jobs.endLeases()
  const catalog = new PackageCatalog(tables.packages)
  await catalog.refresh()
  const facts = new RequestFacts()
  const { limits, admission, clientAddressOf } = createAdmission(base, tables, facts)
  const localToken = makeToken()
  const verifier = new TokenVerifier(tables.tokens, now, admission).trust(localToken, 'local')
  if (config.adminToken !== null) verifier.trust(config.adminToken, 'environment')
  const stores = await openArchives(base, tables)
  const parts = { ...base, tables, secretBox, catalog, verifier, limits, ...stores }
  const openSource = opener(parts)
  const queue = createQueue({ ...parts, openSource })
  const scheduler = new Scheduler({ repositories: tables.repositories, queue, now, logger })
  const downloadCounts = new DownloadCounts(tables.downloads, now)
  const handler = createHandler({
    ...tables,
    audit: new AuditTrail(tables.audit, facts, clientAddressOf, now),
    facts,
    downloadCounts,
    clientAddressOf,
    admission,
    ...stores,
    verifier,
    catalog,
    queue,
    secretBox,
    openSource,
    roots: new RootDocuments(catalog, installedAt),
    documents: new PackageDocuments(tables.packages),
    baseUrlOf: baseUrlFinder({ baseUrl: config.baseUrl, trustProxy: config.trustProxy, peerOf: facts.peerOf }),
    localRoots: config.localRepositoryRoots,
    nextLookAt: (row) => Math.max(now(), nextLook(row, config.syncInterval, row.lastSyncedAt ?? now())),
    ready: () => checkReady(config, tables.settings),
    now,
    logger,
  })
  return runnable({ ...parts, queue, scheduler, facts, downloadCounts, handler, localToken })
}

async function openArchives({ config, overrides, logger }: Foundation, { archives: index }: Tables) {
  const onEvent = (event: ArchiveEvent) => logArchiveEvent(logger, event)
  const shared = { directory: config.archiveDir, index, onEvent }
  return {
    archives: await ArchiveStore.open({ ...shared, maxBytes: config.archiveMaxBytes }),
    uploads: await UploadStore.open({ ...shared, ...(overrides.uploadFiles ? { fs: overrides.uploadFiles } : {}) }),
    uploadMaxBytes: config.uploadMaxBytes,
  }
}

function createAdmission({ config, now }: Foundation, tables: Tables, facts: RequestFacts) {
  const defaults = { readonly: config.rateLimitReadonly, write: config.rateLimitWrite }
  const limits = new RateLimits(tables.rateWindows, defaults, now)
  const clientAddressOf = clientAddressFinder({ trustProxy: config.trustProxy, peerOf: facts.peerOf })
  const admission = new Admission({ limits, failures: new FailedLogins(now), addressOf: clientAddressOf })
  return { limits, admission, clientAddressOf }
}

interface Parts extends Foundation {
  readonly tables: Tables
  readonly secretBox: SecretBox
  readonly catalog: PackageCatalog
  readonly verifier: TokenVerifier
  readonly limits: RateLimits
  readonly archives: ArchiveStore
  readonly uploads: UploadStore
}

function opener({ config, overrides, secretBox, tables, now }: Parts) {
  const http = createUpstreamHttp({
    allowedNetworks: config.allowedNetworks,
    ...(overrides.fetch ? { fetch: overrides.fetch } : {}),
    ...(overrides.resolve ? { resolve: overrides.resolve } : {}),
  })
  const { repositories } = tables
  return sourceOpener({ secretBox, http, repositories, localRoots: config.localRepositoryRoots, now })
}

function createQueue(parts: Parts & { openSource: ReturnType<typeof sourceOpener> }): SyncQueue {
  const { tables, archives, config, now, logger, catalog, openSource } = parts
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
  return new SyncQueue({
    jobs: tables.jobs,
    repositories: tables.repositories,
    work: ({ repositoryId, acceptRemovals }, report, signal) =>
      syncRepository(sync, { repositoryId, acceptRemovals, report, signal }),
    onDone: () => catalog.refresh(),
    concurrency: config.syncConcurrency,
    now,
    logger,
  })
}

interface Running extends Parts {
  readonly queue: SyncQueue
  readonly scheduler: Scheduler
  readonly facts: RequestFacts
  readonly downloadCounts: DownloadCounts
  readonly handler: App['handler']
  readonly localToken: string
}

function runnable(parts: Running): App {
  const { config, logger, handler, localToken, queue, scheduler, db, lock } = parts
  const listeners: Listener[] = []
  const upkeep = upkeepOf(parts)
  return {
    config,
    logger,
    handler,
    localToken,
    firstAdminToken: async () => (config.adminToken === null ? createFirstToken(parts.tables.tokens, parts.now) : null),
    startWorkers: () => queue.start(),
    async start() {
      const main = listenOnPort(handler, { host: config.host, port: config.port, facts: parts.facts })
      listeners.push(main)
      listeners.push(listenOnSocket(handler, socketPath(config), localToken))
      queue.start()
      scheduler.start()
      upkeep.start()
      return main
    },
    async stop(graceMs = DEFAULT_GRACE_MS) {
      upkeep.pause()
      await Promise.all([
        ...listeners.map((listener) => listener.stop(graceMs)),
        scheduler.stop().then(() => queue.stop(Math.min(graceMs, SYNC_GRACE_MS))),
      ])
      await Promise.all([parts.archives.stop(), parts.uploads.stop()])
      await upkeep.finish()
      await db.close()
      lock.release()
    },
  }
}

function upkeepOf(parts: Running): Upkeep {
  const upkeep = new Upkeep(parts.logger)
  upkeep.flush(UPKEEP_MS, () => parts.verifier.flushUses())
  upkeep.flush(UPKEEP_MS, () => parts.downloadCounts.flush())
  upkeep.flush(COUNT_MS, () => parts.limits.flush())
  upkeep.every(UPKEEP_MS, () => parts.tables.idempotentAnswers.dropOld(parts.now() - REPEATED_FOR))
  // Another instance on the same server may change packages; on a local file nobody else can.
  if (!ownsDatabase(parts.config)) upkeep.every(FOLLOW_MS, () => parts.catalog.refresh())
  return upkeep
}

/** True for a database file, which no other process has open; false for one on a server. */
function ownsDatabase(config: Config): boolean {
  return isLocal({ url: config.databaseUrl, authToken: null })
}

/** A wrong key is found at start, before anything is written with it. */
async function checkedBox(config: Config, settings: SettingTable): Promise<SecretBox> {
  const box = createSecretBox(encryptionKey(config))
  const place = 'settings/key_check'
  box.open(await settings.setOnce('key_check', box.seal('package-broker', place)), place)
  return box
}

async function checkReady(config: Config, settings: SettingTable): Promise<void> {
  await settings.get('installed_at')
  await access(config.archiveDir, constants.W_OK)
}
