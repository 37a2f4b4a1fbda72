import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { UpstreamFile, UpstreamFileTable } from '../store/upstream-files.ts'
import { protocolError } from './response-body.ts'
import type { SingleFlight } from './single-flight.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamTransfers } from './upstream-transfer.ts'

/** What a file is kept with. */
export interface KeptFileParts {
  readonly upstream: Upstream
  readonly transfers: UpstreamTransfers
  readonly files: UpstreamFileTable
  readonly flights: SingleFlight
  readonly logger: Logger
  /** Unix seconds. */
  readonly now: () => number
  /** Time for one file, in milliseconds. */
  readonly fileDeadline: number
}

/** Largest root, include, listing or list of names, in bytes. */
export const MAX_FILE_BYTES = 64 * 1_048_576
/** How long a failed refresh is not repeated, in seconds. */
const FAILURE_MEMO = 30

interface Known<T> {
  readonly value: T
  readonly file: Omit<UpstreamFile, 'bytes'>
}

/** One file of an upstream, understood: in memory, in the database across restarts, and refreshed when it has aged. */
export class KeptFile<T> {
  private known: Known<T> | null = null
  private loaded = false
  private nextTry = 0

  /**
   * `read` understands the bytes, and throws for what is not the file. `freshFor` says how long a value is good without
   * a question to the upstream, in seconds.
   */
  constructor(
    private readonly parts: KeptFileParts,
    private readonly url: string,
    private readonly read: (bytes: Uint8Array) => T,
    private readonly freshFor: (value: T) => number,
  ) {}

  /**
   * The file as the upstream has it, or as it was known while the upstream cannot be asked and `stale_if_error` allows.
   * The same file is the same object. Throws AppError('upstream').
   */
  async current(signal: AbortSignal): Promise<T> {
    const { flights, now, upstream } = this.parts
    return flights.run(`file ${upstream.id} ${this.url}`, signal, async (shared) => {
      const known = await this.load()
      const age = known === null ? 0 : now() - known.file.checkedAt
      if (known !== null && (this.isFresh(known, age) || this.holdsOut(known, age))) return known.value
      try {
        return await this.refresh(known, shared)
      } catch (error) {
        if (shared.aborted || known === null || !this.survives(known, age)) throw error
        this.nextTry = now() + FAILURE_MEMO
        this.parts.logger.warn('a file of an upstream could not be refreshed', {
          url: this.url,
          error: messageOf(error),
        })
        return known.value
      }
    })
  }

  /** The file as the upstream has it now, asked for whatever is known. Throws AppError('upstream'). */
  async asked(signal: AbortSignal): Promise<T> {
    const { flights, upstream } = this.parts
    return flights.run(`asked ${upstream.id} ${this.url}`, signal, async (shared) =>
      this.refresh(await this.load(), shared),
    )
  }

  private isFresh(known: Known<T>, age: number): boolean {
    return age < this.freshFor(known.value)
  }

  private holdsOut(known: Known<T>, age: number): boolean {
    return this.parts.now() < this.nextTry && this.survives(known, age)
  }

  private survives(known: Known<T>, age: number): boolean {
    return age < this.freshFor(known.value) + this.parts.upstream.staleIfError
  }

  /** What is known, from the database the first time. A stored file that is no longer understood is none. */
  private async load(): Promise<Known<T> | null> {
    if (this.loaded) return this.known
    const stored = await this.parts.files.find(this.parts.upstream.id, this.url)
    this.loaded = true
    if (stored === null) return null
    const { bytes, ...file } = stored
    try {
      this.known = { value: this.read(bytes), file }
    } catch (error) {
      this.parts.logger.warn('a stored file of an upstream is unreadable', { url: this.url, error: messageOf(error) })
    }
    return this.known
  }

  private async refresh(known: Known<T> | null, signal: AbortSignal): Promise<T> {
    const { transfers, files, upstream, now, fileDeadline } = this.parts
    const request = { url: this.url, known: known?.file ?? null, limit: MAX_FILE_BYTES, deadline: fileDeadline }
    const answer = await transfers.fetch(request, signal)
    const checkedAt = now()
    if (answer.kind === 'absent') throw protocolError(`There is nothing at ${this.url} (HTTP 404).`)
    if (answer.kind === 'unchanged') {
      if (known === null) throw protocolError(`${this.url} did not change, it says, but is not known here.`)
      this.known = { ...known, file: { ...known.file, checkedAt } }
      await files.noteChecked(upstream.id, this.url, checkedAt)
      return known.value
    }
    const { etag, lastModified } = answer
    const file = { url: this.url, etag, lastModified, fetchedAt: checkedAt, checkedAt }
    this.known = { value: this.read(answer.bytes), file }
    await files.save(upstream.id, { ...file, bytes: answer.bytes })
    return this.known.value
  }
}
