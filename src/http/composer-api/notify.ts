import { Elysia } from 'elysia'
import { networkOf } from '../../auth/failed-logins.ts'
import { type Caller, maySee } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { isAppError } from '../../errors.ts'
import type { PackageCatalog } from '../../store/catalog.ts'
import type { DownloadCounts } from '../download-counts.ts'
import { HourlyAllowance } from './hourly-allowance.ts'
import { COMPOSER_OPERATIONS } from './operations.ts'

/** What counting downloads takes. `now` gives Unix seconds. */
export interface NotifyParts {
  readonly verifier: TokenVerifier
  readonly catalog: PackageCatalog
  readonly downloadCounts: DownloadCounts
  /** Address of the client behind a request; null over the local socket. */
  readonly clientAddressOf: (request: Request) => string | null
  readonly now: () => number
}

interface Notice {
  /** Lower-case full name. */
  readonly name: string
  /** Normalised form. */
  readonly version: string
}

/** Longest body that is read, in bytes: a project of some thousand packages. */
const LONGEST_BODY = 256 * 1024
/** Most downloads taken from one notice. */
const MOST_NOTICES = 5_000
const LONGEST_NAME = 200
/** Downloads counted per hour, of one address without a token and of one token. */
const BY_ADDRESS = 1_000
const BY_TOKEN = 20_000

/**
 * `POST /downloads`: what Composer installed, told after the fact (`Composer: InstallationManager::notifyInstalls`). It
 * ignores the answer, often sends no token, and waits for it; so the answer is the same whatever came, and nothing is
 * written here. Archives that are fetched are not counted: Composer tells of them, and of those from its cache too.
 */
export function notifyRoutes(parts: NotifyParts) {
  const allowance = new HourlyAllowance(parts.now)
  return new Elysia({ name: 'notify' }).post(
    '/downloads',
    async ({ request }) => {
      const caller = await callerOf(parts.verifier, request)
      const notices = noticesIn(await readBody(request))
      count(parts, allowance, { caller, request, notices })
      return { status: 'success' }
    },
    { parse: 'none', detail: COMPOSER_OPERATIONS.notify },
  )
}

function count(
  { catalog, downloadCounts, clientAddressOf }: NotifyParts,
  allowance: HourlyAllowance,
  { caller, request, notices }: { caller: Caller | null; request: Request; notices: readonly Notice[] },
): void {
  const ours = notices.flatMap(({ name, version }) => {
    const entry = caller && !maySee(caller.scope, name) ? null : catalog.get(name)
    return entry ? [{ packageId: entry.id, version }] : []
  })
  const who = caller ? caller.actor : `address ${networkOf(clientAddressOf(request) ?? 'local')}`
  const granted = allowance.take(who, ours.length, caller ? BY_TOKEN : BY_ADDRESS)
  for (const { packageId, version } of ours.slice(0, granted)) downloadCounts.note(packageId, version)
}

/** Who sends a valid token; anybody else is nobody, which is no failure here. */
async function callerOf(verifier: TokenVerifier, request: Request): Promise<Caller | null> {
  const authorization = request.headers.get('authorization')
  if (authorization === null) return null
  try {
    return await verifier.verify(authorization, request.headers.get('user-agent'))
  } catch (error) {
    if (isAppError(error)) return null
    throw error
  }
}

/** The body as text; empty when it is longer than it may be. */
async function readBody(request: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > LONGEST_BODY) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What of a body is a notice; a body that is none has none. */
function noticesIn(text: string): Notice[] {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return []
  }
  const list = isObject(body) && Array.isArray(body.downloads) ? body.downloads.slice(0, MOST_NOTICES) : []
  return list.flatMap((entry: unknown) => {
    if (!isObject(entry) || typeof entry.name !== 'string' || typeof entry.version !== 'string') return []
    if (entry.name.length > LONGEST_NAME || entry.version.length > LONGEST_NAME) return []
    return [{ name: entry.name.toLowerCase(), version: entry.version }]
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
