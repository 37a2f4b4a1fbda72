import { resolve } from 'node:path'
import { secretText } from './config-secrets.ts'
import { type Supervision, supervisionOf } from './config-supervision.ts'
import {
  adminToken,
  baseUrl,
  databaseUrl,
  directories,
  encryptionKey,
  integer,
  networks,
  oneOf,
  onOff,
  type ReadValue,
  sentence,
  vendors,
} from './config-values.ts'
import { AppError, messageOf } from './errors.ts'
import type { NetworkList } from './networks.ts'

/** One line of the log: how grave it is at least. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** The effective configuration: checked, typed and frozen. Times are seconds, sizes bytes. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly baseUrl: string | null
  readonly trustProxy: NetworkList
  readonly dataDir: string
  readonly databaseUrl: string
  readonly databaseAuthToken: string | null
  readonly archiveDir: string
  readonly archiveMaxBytes: number
  readonly uploadMaxBytes: number
  readonly encryptionKey: Uint8Array | null
  /** The key before that one, which opens what is not sealed anew yet. */
  readonly previousEncryptionKey: Uint8Array | null
  readonly adminToken: string | null
  readonly syncInterval: number
  readonly syncConcurrency: number
  /** 0 for none. */
  readonly probeInterval: number
  /** Seconds for one pass over all archives; 0 for none. */
  readonly scrubInterval: number
  /** Requests per hour and token; 0 for no limit. */
  readonly rateLimitReadonly: number
  readonly rateLimitWrite: number
  readonly allowedNetworks: NetworkList
  readonly localRepositoryRoots: readonly string[]
  /** Lower-case. */
  readonly reservedVendors: readonly string[]
  /** What Composer prints when it reads the root document; null for nothing. */
  readonly warning: string | null
  readonly info: string | null
  /** Whether metrics are shown without a token. */
  readonly metricsPublic: boolean
  readonly logLevel: (typeof LOG_LEVELS)[number]
  readonly logFormat: 'json' | 'pretty'
}

/** A variable as the README and `package-broker config` show it. */
export interface Variable {
  readonly name: string
  readonly shownDefault: string
  readonly meaning: string
  /** Never shown; may be given as `NAME_FILE`, a path to read it from, or as a systemd credential of the name. */
  readonly secret: boolean
}

interface Definition extends Variable {
  readonly key: keyof Config
  /** Reads the text, or the default when it is undefined. Throws AppError('invalid') saying what is allowed. */
  readonly read: ReadValue
  /** How the effective value is shown. */
  show?(value: unknown): string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Every variable, in the order of the README table. `DATA_DIR` stands before those whose default derives from it. */
const DEFINITIONS: readonly Definition[] = [
  define('host', 'HOST', '0.0.0.0', 'listening address', (text) => text ?? '0.0.0.0'),
  define('port', 'PORT', '8080', 'listening port; 0 picks a free one and logs it', integer(8080, 0, 65_535)),
  define(
    'baseUrl',
    'BASE_URL',
    'from the request',
    'public origin written into metadata and lock files; set it behind a proxy (a path prefix is allowed)',
    baseUrl,
  ),
  define(
    'trustProxy',
    'TRUST_PROXY',
    'off',
    'which peers’ `X-Forwarded-*` headers are believed (CIDRs, comma-separated)',
    networks,
  ),
  define('dataDir', 'DATA_DIR', './data', 'database, archives, generated key', (text) => resolve(text ?? './data')),
  define(
    'databaseUrl',
    'DATABASE_URL',
    'file:$DATA_DIR/package-broker.db',
    '`file:`, or `libsql://`, `https://`, `http://` for Turso or a libSQL server',
    databaseUrl,
  ),
  secret('databaseAuthToken', 'DATABASE_AUTH_TOKEN', '–', 'token of the libSQL server', (text) => text ?? null),
  define(
    'archiveDir',
    'ARCHIVE_DIR',
    '$DATA_DIR/archives',
    'on-disk archive cache, archives fetched from upstreams, and the zips that were uploaded',
    (text, soFar) => resolve(text ?? `${soFar.dataDir}/archives`),
  ),
  define(
    'archiveMaxBytes',
    'ARCHIVE_MAX_BYTES',
    '0',
    'bytes of built and fetched archives together, uploads not counted; built ones, which can be built again, go first; 0 = no bound',
    integer(0, 0, Number.MAX_SAFE_INTEGER),
  ),
  define(
    'uploadMaxBytes',
    'UPLOAD_MAX_BYTES',
    '268435456',
    'largest zip that can be uploaded, in bytes',
    integer(268_435_456, 1_024, 4_294_967_296),
  ),
  secret(
    'encryptionKey',
    'ENCRYPTION_KEY',
    '$DATA_DIR/encryption.key',
    'key of stored credentials: base64 of exactly 32 bytes; generated on first start',
    encryptionKey,
  ),
  secret(
    'previousEncryptionKey',
    'ENCRYPTION_KEY_PREVIOUS',
    '–',
    'the key before `ENCRYPTION_KEY`, accepted as well until `rotate-key` has sealed everything anew',
    encryptionKey,
  ),
  secret(
    'adminToken',
    'ADMIN_TOKEN',
    '–',
    'a token that may do everything and is not in the database; at least 32 characters',
    adminToken,
  ),
  define(
    'syncInterval',
    'SYNC_INTERVAL',
    '900',
    'seconds between two looks at a repository',
    integer(900, 10, 31_536_000),
  ),
  define('syncConcurrency', 'SYNC_CONCURRENCY', '8', 'repositories synchronised at once', integer(8, 1, 64)),
  define(
    'probeInterval',
    'PROBE_INTERVAL',
    '180',
    'seconds between two questions after an owner whose repositories are discovered, whether anything changed; 0 = none',
    integer(180, 0, 86_400),
  ),
  define(
    'scrubInterval',
    'SCRUB_INTERVAL',
    '86400',
    'seconds in which all archives are read again in the background, to find what a disk has changed; 0 = off',
    integer(86_400, 0, 31_536_000),
  ),
  define(
    'rateLimitReadonly',
    'RATE_LIMIT_READONLY',
    '1000',
    'requests per hour of a readonly token, unless it has a limit of its own; 0 = unlimited',
    integer(1_000, 0, 1_000_000_000),
  ),
  define('rateLimitWrite', 'RATE_LIMIT_WRITE', '500', 'the same of a write token', integer(500, 0, 1_000_000_000)),
  define(
    'allowedNetworks',
    'ALLOWED_NETWORKS',
    '–',
    'CIDRs outside the public internet that sources may reach (loopback, private, link-local and metadata addresses are refused otherwise); `*` allows all',
    networks,
  ),
  define(
    'localRepositoryRoots',
    'LOCAL_REPOSITORY_ROOTS',
    '–',
    'directories, comma-separated, whose git repositories may be added as `file://` or by path',
    directories,
  ),
  define(
    'reservedVendors',
    'RESERVED_VENDORS',
    '–',
    'vendors, comma-separated, whose packages come from here alone: no upstream is ever asked for them',
    vendors,
  ),
  define(
    'warning',
    'REPOSITORY_WARNING',
    '–',
    'a sentence that Composer prints as a warning of this repository',
    sentence,
  ),
  define('info', 'REPOSITORY_INFO', '–', 'the same as an information', sentence),
  define('metricsPublic', 'METRICS_PUBLIC', 'off', '`/metrics` without a token: `on` or `off`', onOff),
  define('logLevel', 'LOG_LEVEL', 'info', `one of ${LOG_LEVELS.join(', ')}`, oneOf('info', LOG_LEVELS)),
  define(
    'logFormat',
    'LOG_FORMAT',
    '`pretty` on a terminal, else `json`',
    '`json` or `pretty`; logs go to standard output',
    oneOf(process.stdout.isTTY ? 'pretty' : 'json', ['json', 'pretty']),
  ),
]

/** The table of variables, for the README and `package-broker config`. */
export const VARIABLES: readonly Variable[] = DEFINITIONS

/**
 * Reads the configuration from the environment; nothing else is read, but for files that `NAME_FILE` names and the
 * credentials in `CREDENTIALS_DIRECTORY`.
 * Throws AppError('invalid') with one line per mistake, all mistakes at once.
 */
export function readConfig(environment: Environment = process.env): Config {
  const config: Partial<Record<keyof Config, unknown>> = {}
  const mistakes: string[] = []
  for (const definition of DEFINITIONS) {
    let text: string | undefined
    try {
      text = textOf(definition, environment)
      config[definition.key] = definition.read(text, config as Partial<Config>)
    } catch (error) {
      const value = definition.secret || text === undefined ? '' : ` (now “${text}”)`
      mistakes.push(`${definition.name}${value}: ${messageOf(error)}`)
    }
  }
  if (mistakes.length > 0) throw new AppError('invalid', mistakes.join('\n'), { details: { configuration: true } })
  return Object.freeze(config as unknown as Config)
}

/** What a service manager has set; nothing of it is configured by hand. Throws AppError('invalid'). */
export function readSupervision(): Supervision {
  return supervisionOf(process.env, process.pid)
}

/** Name and effective value of every variable; a secret shows only whether it is set. */
export function effectiveValues(config: Config): { name: string; value: string; meaning: string }[] {
  return DEFINITIONS.map((definition) => {
    const value = config[definition.key]
    return { name: definition.name, value: shown(definition, value), meaning: definition.meaning }
  })
}

function shown(definition: Definition, value: unknown): string {
  if (definition.secret) return value === null ? '' : '(set)'
  return definition.show?.(value) ?? String(value ?? '')
}

function textOf({ name, secret }: Definition, environment: Environment): string | undefined {
  return secret ? secretText(name, environment) : environment[name] || undefined
}

function define(key: keyof Config, name: string, shownDefault: string, meaning: string, read: ReadValue): Definition {
  const list = read === networks || read === directories || read === vendors
  return { key, name, shownDefault, meaning, secret: false, read, ...(list ? { show: showList } : {}) }
}

function secret(key: keyof Config, name: string, shownDefault: string, meaning: string, read: ReadValue): Definition {
  return { key, name, shownDefault, meaning, secret: true, read }
}

function showList(value: unknown): string {
  return (Array.isArray(value) ? value : (value as NetworkList).cidrs).join(',')
}
