import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import type { ArchiveEvent, ArchiveFolder } from './archives/archive-index.ts'
import { ArchiveStore } from './archives/archive-store.ts'
import { DownloadStore } from './archives/download-store.ts'
import type { FileSystem } from './archives/file-system.ts'
import { UploadStore } from './archives/upload-store.ts'
import { encryptionKeys, keyFile, presentKeys } from './auth/encryption-key.ts'
import { KeyRotation } from './auth/key-rotation.ts'
import { createSecretBox, type KeyedBox } from './auth/secret-box.ts'
import type { Config } from './config.ts'
import { makeDirectories } from './data-directory.ts'
import { AppError } from './errors.ts'
import { Maintenance, type MaintenanceParts } from './maintenance/maintenance.ts'
import { Scrubber } from './maintenance/scrubber.ts'
import { logArchiveEvent } from './observability/archive-events.ts'
import { streamLogger } from './observability/log-output.ts'
import type { Logger } from './observability/logger.ts'
import { Metrics } from './observability/metrics.ts'
import type { Resolve } from './sources/address-guard.ts'
import { GithubApps } from './sources/hosts/github-apps.ts'
import { KnownServers } from './sources/known-servers.ts'
import { measuredHttp } from './sources/measured-http.ts'
import { createUpstreamHttp, type UpstreamHttp } from './sources/upstream-http.ts'
import { type Database, databaseDirectory, databaseFile, isLocal, openDatabase } from './store/database.ts'
import { type InstanceLock, lockInstance } from './store/instance-lock.ts'
import { migrate } from './store/migrate.ts'
import { KEY_CHECK, KEY_CHECK_PLACE, type SettingTable } from './store/settings.ts'
import { startFault } from './store/start-fault.ts'
import { openTables, type Tables } from './store/tables.ts'

/** Where tests put their own parts; `now` gives Unix seconds. */
export interface Overrides {
  readonly now?: () => number
  readonly fetch?: typeof fetch
  readonly resolve?: Resolve
  readonly logger?: Logger
  /** File operations of uploads. */
  readonly uploadFiles?: FileSystem
  /** File operations of archives that are fetched. */
  readonly downloadFiles?: FileSystem
  /** What the process is for, shown to a second one that wants the same data. */
  readonly purpose?: string
}

/** What the program stands on: its configuration, and the world outside of the process, opened. */
export interface Foundation {
  readonly config: Config
  readonly logger: Logger
  /** Lines of the log that could not be written. */
  readonly droppedLines: () => number
  /** Unix seconds. */
  readonly now: () => number
  readonly lock: InstanceLock
  readonly db: Database
  readonly tables: Tables
  readonly secretBox: KeyedBox
  readonly keyRotation: KeyRotation
  /** Unix seconds. */
  readonly installedAt: number
  readonly http: UpstreamHttp
  readonly githubApps: GithubApps
  readonly gitServers: KnownServers
  readonly metrics: Metrics
  readonly archives: ArchiveStore
  readonly archiveDownloads: DownloadStore
  readonly uploads: UploadStore
  readonly uploadMaxBytes: number
  readonly maintenance: Maintenance
  readonly scrubber: Scrubber
}

/**
 * Locks the data of an installation, brings its database up to date and opens it.
 * Throws AppError when the environment does not allow it.
 */
export async function layFoundation(config: Config, overrides: Overrides): Promise<Foundation> {
  const { logger, dropped } = loggerOf(config, overrides)
  const now = overrides.now ?? (() => Math.floor(Date.now() / 1000))
  makeDirectories(config)
  const address = { url: config.databaseUrl, authToken: config.databaseAuthToken }
  const owned = [config.dataDir, databaseDirectory(address) ?? config.dataDir]
  const lock = await lockInstance(owned, overrides.purpose ?? 'serve')
  try {
    refuseLostDatabase(config)
    const applied = await migrate(address)
    if (applied > 0) logger.info('database migrated', { migrations: applied })
    const metrics = new Metrics()
    const db = await openDatabase(address, (waited, took) => metrics.databaseWrite(waited, took))
    const tables = openTables(db)
    const secretBox = await checkedBox(config, tables.settings)
    const keyRotation = new KeyRotation({ box: secretBox, sealed: tables.sealedValues, place: config, logger })
    await keyRotation.resume()
    const installedAt = Number(await tables.settings.setOnce('installed_at', String(now())))
    await tables.settings.note('reserved_vendors', JSON.stringify(config.reservedVendors), '[]')
    await tables.settings.note('messages', JSON.stringify([config.warning, config.info]), '[null,null]')
    if (ownsDatabase(config)) await Promise.all([tables.jobs.endLeases(), tables.discoveryClaims.endClaims(now())])
    const stores = await openArchives({ config, overrides, logger, metrics }, tables)
    const http = measuredHttp(upstreamHttp(config, overrides), (...told) => metrics.upstream(...told))
    const maintenance = maintenanceOf(config, { db, tables, now, ...stores })
    const opened = {
      secretBox,
      keyRotation,
      http,
      metrics,
      githubApps: new GithubApps(http, now),
      gitServers: new KnownServers(),
      maintenance,
      scrubber: scrubberOf(config, { tables, maintenance, now, logger }),
      ...stores,
    }
    return { config, logger, droppedLines: dropped, now, lock, db, tables, installedAt, ...opened }
  } catch (error) {
    lock.release()
    throw startFault(error, address)
  }
}

function loggerOf(config: Config, { logger }: Overrides): { logger: Logger; dropped: () => number } {
  if (logger) return { logger, dropped: () => 0 }
  return streamLogger(process.stdout, { level: config.logLevel, format: config.logFormat })
}

/** True for a database file, which no other process has open; false for one on a server. */
export function ownsDatabase(config: Config): boolean {
  return isLocal({ url: config.databaseUrl })
}

/** Throws when the program is stopping, or when the database or the directory of archives cannot be used. */
export async function checkReady(
  { config, db, tables }: Foundation,
  life: { readonly stopping: boolean },
): Promise<void> {
  if (life.stopping) throw new AppError('unavailable', 'The server is stopping.')
  db.checkFile()
  await tables.settings.get('installed_at')
  await access(config.archiveDir, constants.W_OK)
}

/**
 * A database file that is gone is not begun anew without a word: whoever starts the program after that would find it
 * empty. The key is made after the first database.
 */
function refuseLostDatabase(config: Config): void {
  const file = databaseFile({ url: config.databaseUrl })
  const key = keyFile(config)
  if (file === null || existsSync(file) || !existsSync(key)) return
  throw new AppError(
    'unavailable',
    `The database file ${file} is missing, though there is a key of an installation at ${key}. Put the file back or restore a backup; to begin with an empty database, move the key away.`,
    { fault: 'lasting' },
  )
}

/** A wrong key is found at start, before anything is written with it, and a missing one is not made anew. */
async function checkedBox(config: Config, settings: SettingTable): Promise<KeyedBox> {
  const file = keyFile(config)
  if ((await settings.get(KEY_CHECK)) !== null && presentKeys(config).length === 0) {
    const sentence = `The key of stored credentials is missing: put encryption.key back at ${file}, or set ENCRYPTION_KEY.`
    throw new AppError('unavailable', sentence, { fault: 'lasting' })
  }
  const box = createSecretBox(...encryptionKeys(config))
  const check = await settings.setOnce(KEY_CHECK, box.seal('package-broker', KEY_CHECK_PLACE))
  try {
    box.open(check, KEY_CHECK_PLACE)
  } catch (cause) {
    const key = config.encryptionKey === null ? `what ${file} holds` : 'ENCRYPTION_KEY'
    const sentence = `Stored credentials cannot be opened: ${key} is not the key they were sealed with; put the right one there.`
    throw new AppError('unavailable', sentence, { cause, fault: 'lasting' })
  }
  return box
}

function maintenanceOf(config: Config, parts: Omit<MaintenanceParts, 'archiveDirectory' | 'databaseDirectory'>) {
  return new Maintenance({
    ...parts,
    archiveDirectory: config.archiveDir,
    databaseDirectory: databaseDirectory({ url: config.databaseUrl }),
  })
}

function scrubberOf(
  { scrubInterval }: Config,
  { tables, maintenance, now, logger }: Pick<Foundation, 'tables' | 'maintenance' | 'now' | 'logger'>,
): Scrubber {
  const filesOf = (folder: ArchiveFolder) => maintenance.filesOf(folder)
  return new Scrubber({
    index: tables.archives,
    settings: tables.settings,
    filesOf,
    interval: scrubInterval,
    now,
    logger,
  })
}

function upstreamHttp(config: Config, { fetch, resolve }: Overrides): UpstreamHttp {
  const { allowedNetworks } = config
  return createUpstreamHttp({ allowedNetworks, ...(fetch ? { fetch } : {}), ...(resolve ? { resolve } : {}) })
}

async function openArchives(
  parts: { config: Config; overrides: Overrides; logger: Logger; metrics: Metrics },
  { archives: index }: Tables,
) {
  const { config, overrides, logger, metrics } = parts
  const onEvent = (event: ArchiveEvent) => {
    logArchiveEvent(logger, event)
    metrics.archive(event.type)
    if (event.type === 'fetched') archives.makeRoom()
  }
  const shared = { directory: config.archiveDir, index, onEvent }
  const { uploadFiles, downloadFiles } = overrides
  const maxBytes = config.archiveMaxBytes
  const archiveDownloads = await DownloadStore.open({
    ...shared,
    maxBytes,
    ...(downloadFiles ? { fs: downloadFiles } : {}),
  })
  // What can be built again makes room for what an upstream may not have any more.
  const archives = await ArchiveStore.open({ ...shared, maxBytes, otherBytes: () => archiveDownloads.bytes })
  return {
    archives,
    archiveDownloads,
    uploads: await UploadStore.open({ ...shared, ...(uploadFiles ? { fs: uploadFiles } : {}) }),
    uploadMaxBytes: config.uploadMaxBytes,
  }
}
