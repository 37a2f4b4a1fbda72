import { statSync } from 'node:fs'
import { createFirstToken } from './auth/first-token.ts'
import type { RateLimits } from './auth/rate-limits.ts'
import type { TokenVerifier } from './auth/tokens.ts'
import type { Config } from './config.ts'
import { socketPath } from './data-directory.ts'
import { type Foundation, ownsDatabase } from './foundation.ts'
import type { DownloadCounts } from './http/download-counts.ts'
import { type Listener, listenOnInherited, listenOnPort, listenOnSocket } from './http/listen.ts'
import { maintenanceHandler } from './http/maintenance.ts'
import type { HostWebhooks } from './http/management-api/host-webhooks.ts'
import type { RepositoryFeed } from './http/management-api/repository-feed.ts'
import type { RequestFacts } from './http/request-facts.ts'
import type { createHandler } from './http/server.ts'
import type { Maintenance } from './maintenance/maintenance.ts'
import type { ScrubCounts } from './maintenance/scrubber.ts'
import type { OpenMirror } from './mirror/open-mirror.ts'
import type { Logger } from './observability/logger.ts'
import type { PackageCatalog } from './store/catalog.ts'
import { databaseFile } from './store/database.ts'
import { REPEATED_FOR } from './store/idempotent-answers.ts'
import { REMEMBERED_FOR } from './store/webhooks.ts'
import type { Discoveries } from './sync/open-discoveries.ts'
import type { SyncQueue } from './sync/queue.ts'
import type { Scheduler } from './sync/scheduler.ts'
import { Upkeep } from './upkeep.ts'

/** The program, built and not yet running. */
export interface App {
  readonly config: Config
  readonly logger: Logger
  readonly handler: ReturnType<typeof createHandler>
  /** A token that may do everything, known to this process only. */
  readonly localToken: string
  /** What commands ask of the owner of the data. */
  readonly maintenance: Maintenance
  /** What reading archives again has come to. */
  scrubCounts(): ScrubCounts
  /** Creates the first token that may do everything and returns it, once: null when there is another way in. */
  firstAdminToken(): Promise<string | null>
  /** Begins to run queued syncs, and looks at owners that are due, without the schedule. */
  startWorkers(): void
  /** Listens, on `HOST` and `PORT` or an inherited socket, and begins workers, schedule and upkeep. */
  start(socket?: number | null): Promise<Listener>
  /**
   * Resolves as long as nothing is broken that a new process would mend: the database answers. One on a server is not
   * asked, since starting again brings back neither it nor what is known without it.
   */
  alive(): Promise<void>
  /** Finishes what is under way within `graceMs` and closes everything. */
  stop(graceMs?: number): Promise<void>
}

const DEFAULT_GRACE_MS = 30_000
const SYNC_GRACE_MS = 10_000
const WEBHOOK_GRACE_MS = 10_000
const UPKEEP_MS = 30_000
const COUNT_MS = 2_000
const FOLLOW_MS = 1_000
const DAY_MS = 86_400_000
const WATCH_MS = 10_000
/** Seconds and bytes beyond which somebody should know. */
const LONGEST_STALL = 0.1
const LONGEST_WAL = 64 * 1024 * 1024

/** The parts that live. */
export interface Living extends Foundation {
  readonly catalog: PackageCatalog
  readonly verifier: TokenVerifier
  readonly limits: RateLimits
  readonly mirror: OpenMirror
  readonly queue: SyncQueue
  readonly scheduler: Scheduler
  readonly discoveries: Discoveries
  readonly facts: RequestFacts
  readonly downloadCounts: DownloadCounts
  readonly hostWebhooks: HostWebhooks
  readonly feed: RepositoryFeed
  readonly handler: App['handler']
  readonly localToken: string
  /** Readiness ends when the stop begins. */
  readonly life: { stopping: boolean }
}

/** The program that these parts make. */
export function runnable(parts: Living): App {
  const { config, logger, handler, localToken, queue, scheduler, discoveries, db, lock } = parts
  const listeners: Listener[] = []
  const upkeep = upkeepOf(parts)
  return {
    config,
    logger,
    handler,
    localToken,
    maintenance: parts.maintenance,
    scrubCounts: () => parts.scrubber.counts,
    firstAdminToken: async () => (config.adminToken === null ? createFirstToken(parts.tables.tokens, parts.now) : null),
    startWorkers() {
      queue.start()
      discoveries.startLooks()
    },
    async start(socket = null) {
      const main = listen(parts, socket)
      listeners.push(main)
      const local = maintenanceHandler(parts.maintenance)
      listeners.push(listenOnSocket(handler, { path: socketPath(config), token: localToken, local }))
      for (const part of [queue, scheduler, discoveries, upkeep, parts.scrubber, parts.metrics]) part.start()
      return main
    },
    async alive() {
      if (ownsDatabase(config)) await parts.tables.settings.get('installed_at')
    },
    async stop(graceMs = DEFAULT_GRACE_MS) {
      parts.life.stopping = true
      await parts.feed.stop()
      upkeep.pause()
      parts.metrics.stop()
      parts.maintenance.stop()
      await Promise.all([
        ...listeners.map((listener) => listener.stop(graceMs)),
        discoveries.stop(),
        parts.hostWebhooks.stop(Math.min(graceMs, WEBHOOK_GRACE_MS)),
        scheduler.stop().then(() => queue.stop(Math.min(graceMs, SYNC_GRACE_MS))),
        parts.scrubber.stop(),
      ])
      await stopStores(parts)
      await upkeep.finish()
      await db.close()
      lock.release()
    },
  }
}

function listen({ handler, config: { host, port }, facts }: Living, socket: number | null): Listener {
  return socket === null
    ? listenOnPort(handler, { host, port, facts })
    : listenOnInherited(handler, { fd: socket, facts })
}

async function stopStores({ archives, archiveDownloads, uploads, mirror }: Living): Promise<void> {
  await Promise.all([archives, archiveDownloads, uploads, mirror.documents].map((part) => part.stop()))
}

function upkeepOf(parts: Living): Upkeep {
  const upkeep = new Upkeep(parts.logger)
  upkeep.flush(UPKEEP_MS, () => parts.verifier.flushUses())
  upkeep.flush(UPKEEP_MS, () => parts.downloadCounts.flush())
  upkeep.flush(UPKEEP_MS, () => parts.mirror.issues.flush())
  upkeep.flush(COUNT_MS, () => parts.limits.flush())
  upkeep.every(DAY_MS, () => tellAuditHead(parts))
  upkeep.every(WATCH_MS, async () => warnOfStrain(parts))
  upkeep.every(UPKEEP_MS, () => parts.tables.idempotentAnswers.dropOld(parts.now() - REPEATED_FOR))
  upkeep.every(UPKEEP_MS, () => parts.tables.webhooks.dropOld(parts.now() - REMEMBERED_FOR))
  // Another instance on the same server may change packages; on a local file nobody else can.
  if (!ownsDatabase(parts.config)) upkeep.every(FOLLOW_MS, () => parts.catalog.refresh())
  return upkeep
}

/** A second witness of the audit: whoever writes the database anew does not write the log anew. */
async function tellAuditHead({ tables, logger }: Foundation): Promise<void> {
  const { id, hash } = await tables.audit.head()
  if (id > 0) logger.info('audit head', { entry: `aud_${id}`, hash })
}

/** What slows everything down and is no failure of anything: it would be looked for elsewhere. */
export function warnOfStrain({ metrics, logger, config }: Pick<Foundation, 'metrics' | 'logger' | 'config'>): void {
  const seconds = metrics.longestStall()
  if (seconds > LONGEST_STALL) logger.warn('the event loop stood still', { seconds: Number(seconds.toFixed(3)) })
  const file = databaseFile({ url: config.databaseUrl })
  const bytes = file === null ? 0 : (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  if (bytes > LONGEST_WAL) logger.warn('the write-ahead log is long: something else reads the database', { bytes })
}
