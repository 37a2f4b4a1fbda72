import { AppError, isAppError } from '../errors.ts'
import type { ArchiveCache } from './archive-cache.ts'
import { type ArchiveForm, BEGINNING, beginningProblem, END, endProblem } from './archive-form.ts'
import type { ArchiveEvent, ArchiveFile, ArchiveKey, ArchiveRecord } from './archive-index.ts'
import { ByteSource } from './byte-source.ts'
import type { FileSystem } from './file-system.ts'
import type { IncomingArchive } from './incoming-archive.ts'
import { type ReceivedBytes, receiveBody } from './receive.ts'
import type { TempFile } from './temp-file.ts'

/** What an upstream sends when it is asked for an archive. */
export interface Delivery {
  readonly body: ReadableStream<Uint8Array>
  /** Its `Content-Length` in bytes; null when it gives none. */
  readonly declared: number | null
}

/** An archive of an upstream, and how it is had. */
export interface WantedArchive {
  readonly key: ArchiveKey
  /** Package and version, as sentences name them. */
  readonly subject: string
  readonly form: ArchiveForm
  /** SHA-1 that it must have, lower-case hexadecimal; '' when none is known. */
  readonly sha1: string
  /** Host it comes from, with its port. */
  readonly host: string
  /** Asks the upstream. Throws AppError, with `details.reason` 'rate_limited' or 'unreachable' where asking again may help. */
  open(signal: AbortSignal): Promise<Delivery>
  /** Keeps what its bytes are; returns the record that counts: this one, or the one that was there before. */
  record(record: ArchiveRecord): Promise<ArchiveRecord>
  /** Keeps the sentence that says why what came is refused. */
  refused(reason: string): Promise<void>
}

/** `format` of archives of upstreams: their bytes are not made here. */
export const UPSTREAM_FORMAT = -1

/** What a download works with. `clock` gives Unix milliseconds, `largest` is in bytes. */
interface DownloadTools {
  readonly cache: ArchiveCache
  readonly fs: FileSystem
  readonly clock: () => number
  readonly largest: number
  readonly emit: (event: ArchiveEvent) => void
}

interface Download {
  readonly wanted: WantedArchive
  /** What it was before, when it was fetched before. */
  readonly record: ArchiveRecord | null
  readonly incoming: IncomingArchive
  readonly signal: AbortSignal
}

const RETRIES = 2
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 5_000
/** A failure that took longer than this to show is not one that soon passes. */
const QUICK_MS = 10_000
/** At most so many bytes wait to be shown, or for so long. */
const SHOW_BYTES = 64 * 1024
const SHOW_MS = 250

/**
 * How long to wait before an archive is asked for again, in milliseconds; null when that would not help, after the
 * `attempt` from 0 that failed in `took` milliseconds.
 */
export function pauseBeforeRetry(error: unknown, attempt: number, took: number): number | null {
  if (attempt >= RETRIES || took > QUICK_MS || !isAppError(error, 'upstream')) return null
  const { reason, retry_after: wished } = error.details
  if (reason !== 'rate_limited' && reason !== 'unreachable' && reason !== 'broken_off') return null
  const pause = typeof wished === 'number' ? wished * 1000 : FIRST_PAUSE_MS * 2 ** attempt
  return pause > LONGEST_PAUSE_MS ? null : pause
}

/** Fetches an archive once. Leaves no file behind when it throws. */
export async function downloadArchive(tools: DownloadTools, download: Download): Promise<ArchiveFile> {
  const { wanted, signal } = download
  const started = performance.now()
  try {
    const delivery = await wanted.open(signal)
    const { size, sha1, sha256, path } = await receive(tools, download, delivery)
    tools.emit({ type: 'fetched', key: wanted.key, sha256, size, milliseconds: performance.now() - started })
    return { path, size, sha1, sha256 }
  } catch (error) {
    if (!signal.aborted || isAppError(error, 'disk_full')) throw error
    throw isAppError(signal.reason) ? signal.reason : tookTooLong(wanted, signal.reason)
  }
}

async function receive(tools: DownloadTools, download: Download, { body, declared }: Delivery) {
  const { wanted, incoming } = download
  if (declared !== null && declared > tools.largest) {
    await body.cancel().catch(() => {})
    throw tooLarge(wanted, tools.largest)
  }
  const temp = await tools.cache.createTemp().catch(async (error: unknown) => {
    await body.cancel().catch(() => {})
    throw error
  })
  try {
    await incoming.begin(temp.path)
    const received = await writeShowing(tools, download, body, temp)
    if (declared !== null && received.size !== declared) throw brokenOff(wanted, null)
    await check(tools, download, received, temp)
    const path = await tools.cache.adopt(temp, { ...received, warnings: [] })
    await record(tools, download, received)
    return { ...received, path }
  } catch (error) {
    await body.cancel().catch(() => {})
    await temp.discard().catch((trouble) => tools.emit({ type: 'trouble', sha256: null, error: trouble }))
    throw error
  }
}

async function writeShowing(
  tools: DownloadTools,
  { wanted, incoming, signal }: Download,
  body: ReadableStream<Uint8Array>,
  temp: TempFile,
): Promise<ReceivedBytes> {
  let beginning = Buffer.alloc(0)
  let shown = 0
  let shownAt = performance.now()
  const received = await receiveBody(body, temp, {
    maxBytes: tools.largest,
    signal,
    tooLarge: () => tooLarge(wanted, tools.largest),
    brokenOff: (cause) => brokenOff(wanted, cause),
    onPiece(piece) {
      if (beginning.length >= BEGINNING) return
      beginning = Buffer.concat([beginning, piece.subarray(0, BEGINNING - beginning.length)])
      if (beginning.length >= BEGINNING) checkBeginning(wanted, beginning)
    },
    async onWritten(size) {
      if (size - shown < SHOW_BYTES && performance.now() - shownAt < SHOW_MS) return
      await temp.flush()
      incoming.grew(size)
      shown = size
      shownAt = performance.now()
    },
  })
  if (beginning.length < BEGINNING) checkBeginning(wanted, beginning)
  await temp.flush()
  return received
}

function checkBeginning(wanted: WantedArchive, beginning: Uint8Array): void {
  const problem = beginningProblem(wanted.form, beginning)
  if (problem !== null) throw wrongArchive(wanted, `${archiveFrom(wanted)} ${problem}; it is refused.`)
}

async function check(tools: DownloadTools, download: Download, received: ReceivedBytes, temp: TempFile): Promise<void> {
  const { wanted, record } = download
  const from = archiveFrom(wanted)
  if (wanted.sha1 !== '' && received.sha1 !== wanted.sha1)
    throw wrongArchive(wanted, `${from} has the SHA-1 ${received.sha1} instead of ${wanted.sha1}; it is refused.`)
  const problem = endProblem(wanted.form, await endOf(temp.path, tools.fs))
  if (problem !== null) throw wrongArchive(wanted, `${from} ${problem}; it is refused.`)
  if (record) assertRecorded(wanted, record, received)
}

async function endOf(path: string, fs: FileSystem): Promise<Uint8Array> {
  const source = await ByteSource.open(path, fs)
  try {
    const length = Math.min(source.size, END)
    return await source.read(source.size - length, length)
  } finally {
    await source.close()
  }
}

/** After the file is durable: a record never stands without the bytes having existed. */
async function record(tools: DownloadTools, { wanted }: Download, received: ReceivedBytes): Promise<void> {
  const createdAt = Math.floor(tools.clock() / 1000)
  assertRecorded(wanted, await wanted.record({ ...received, format: UPSTREAM_FORMAT, createdAt }), received)
}

function assertRecorded(wanted: WantedArchive, record: ArchiveRecord, received: ReceivedBytes): void {
  if (record.sha256 === received.sha256 && record.size === received.size) return
  throw wrongArchive(
    wanted,
    `${archiveFrom(wanted)} has other bytes than it had before: the SHA-256 ${received.sha256} instead of ${record.sha256}; it is refused.`,
  )
}

/** How each sentence about a wrong archive begins. */
function archiveFrom({ subject, host }: WantedArchive): string {
  return `The archive of ${subject} from ${host}`
}

function wrongArchive({ key }: WantedArchive, sentence: string): AppError {
  return new AppError('upstream', sentence, { details: { reason: 'wrong_archive', dist: key.reference } })
}

function tooLarge(wanted: WantedArchive, largest: number): AppError {
  return wrongArchive(wanted, `${archiveFrom(wanted)} is larger than ${largest} bytes; it is refused.`)
}

function brokenOff({ subject, host }: WantedArchive, cause: unknown): AppError {
  const sentence = `${host} broke off while it sent the archive of ${subject}; try again.`
  return new AppError('upstream', sentence, { details: { reason: 'broken_off' }, ...(cause === null ? {} : { cause }) })
}

function tookTooLong({ subject, host }: WantedArchive, cause: unknown): AppError {
  const sentence = `${host} takes too long to send the archive of ${subject}.`
  return new AppError('upstream', sentence, { details: { reason: 'too_slow' }, cause })
}
