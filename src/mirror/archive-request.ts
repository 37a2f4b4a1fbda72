import type { Delivery } from '../archives/download.ts'
import { AppError, isAppError } from '../errors.ts'
import type { UpstreamHttp, UpstreamResponse } from '../sources/upstream-http.ts'
import type { UpstreamDist } from './dist-address.ts'
import type { Upstream } from './upstream.ts'

/** How long an upstream may take to begin an archive, in milliseconds: some make it only now. */
const FIRST_ANSWER_MS = 30_000
/** Longest `Retry-After` that is told on, in seconds. */
const LONGEST_WAIT = 3_600

/** An archive as an upstream offers it. */
export interface OfferedArchive {
  readonly upstream: Upstream
  readonly name: string
  readonly version: string
  readonly versionNormalized: string
  readonly dist: UpstreamDist
}

/**
 * Asks for an archive. Credentials of the upstream go to its own origin and to no other, whatever the address or a
 * redirect says. Throws AppError('not_found') for 404 and 410, AppError('upstream') for everything else that is no archive.
 */
export async function requestArchive(
  http: UpstreamHttp,
  offered: OfferedArchive,
  signal: AbortSignal,
): Promise<Delivery> {
  const url = distUrl(offered)
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(silent(url)), FIRST_ANSWER_MS)
  try {
    const response = await http.send(
      // Bytes that were packed once more could not be counted.
      {
        method: 'GET',
        url,
        headers: { 'Accept-Encoding': 'identity' },
        signal: AbortSignal.any([signal, late.signal]),
      },
      offered.upstream.credentials,
    )
    if (response.status === 200 && response.body !== null) return { body: response.body, declared: lengthOf(response) }
    await response.body?.cancel().catch(() => {})
    throw failureOf(response, offered)
  } catch (error) {
    if (isAppError(error)) throw error
    signal.throwIfAborted()
    throw new AppError('upstream', `${hostOf(url)} could not be asked.`, {
      details: { reason: 'unreachable' },
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}

/** Address of an archive, its placeholders filled in (Composer: Package::getUrls, ComposerMirror::processUrl). */
export function distUrl({ name, version, versionNormalized, dist }: Omit<OfferedArchive, 'upstream'>): string {
  if (!dist.url.includes('%')) return dist.url
  const md5 = (text: string) => new Bun.CryptoHasher('md5').update(text).digest('hex')
  const filled = new Map([
    ['%package%', name],
    ['%version%', versionNormalized.includes('/') ? md5(versionNormalized) : versionNormalized],
    ['%prettyVersion%', version],
    ['%reference%', /^(?:[a-f0-9]*|%reference%)$/.test(dist.reference) ? dist.reference : md5(dist.reference)],
    ['%type%', dist.type],
  ])
  return dist.url.replace(/%(?:package|version|prettyVersion|reference|type)%/g, (place) => filled.get(place) ?? place)
}

/** Bytes of a body that is sent as it is. */
function lengthOf({ headers }: UpstreamResponse): number | null {
  const length = headers.get('content-length')
  const coding = headers.get('content-encoding') ?? 'identity'
  return length !== null && /^\d{1,15}$/.test(length) && coding === 'identity' ? Number(length) : null
}

function failureOf({ status, headers, url }: UpstreamResponse, { name, version, upstream }: OfferedArchive): AppError {
  const host = hostOf(url)
  const archive = `the archive of ${name} ${version}`
  if (status === 404 || status === 410) {
    return new AppError('not_found', `${host} has no longer ${archive} (HTTP ${status}).`)
  }
  const details = { status, ...retryAfter(headers.get('retry-after')) }
  const failed = (sentence: string, reason: string) =>
    new AppError('upstream', sentence, { details: { ...details, reason } })
  if (status === 401 || status === 403) {
    return failed(`${host} refuses ${archive} (HTTP ${status}): ${remedy(upstream, url)}.`, 'credentials')
  }
  if (status === 429) return failed(`${host} asks to slow down and did not send ${archive} (HTTP 429).`, 'rate_limited')
  if (status >= 500) return failed(`${host} failed to send ${archive} (HTTP ${status}).`, 'unreachable')
  return failed(`${host} answered with HTTP ${status} instead of ${archive}.`, 'protocol')
}

function remedy({ credentials }: Upstream, url: string): string {
  if (credentials === null) return 'the repository may need credential_type and auth_credentials'
  if (credentials.origin === new URL(url).origin) return 'its auth_credentials are wrong, expired or not enough'
  return `auth_credentials are sent to ${credentials.origin} only`
}

function retryAfter(header: string | null): { retry_after?: number } {
  if (header === null) return {}
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000)
  return Number.isNaN(seconds) ? {} : { retry_after: Math.min(Math.max(seconds, 0), LONGEST_WAIT) }
}

function silent(url: string): AppError {
  return new AppError('upstream', `${hostOf(url)} did not answer within ${FIRST_ANSWER_MS / 1000} seconds.`, {
    details: { reason: 'silent' },
  })
}

function hostOf(url: string): string {
  return new URL(url).host
}
