import { Pacer } from '../pacer.ts'
import type { UpstreamFileTable } from '../store/upstream-files.ts'
import { MAX_FILE_BYTES } from './kept-file.ts'
import { protocolError } from './response-body.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamTransfers } from './upstream-transfer.ts'

/** What the list of an upstream is read with. */
export interface NameListParts {
  readonly upstream: Upstream
  readonly transfers: UpstreamTransfers
  readonly files: UpstreamFileTable
  /** Unix seconds. */
  readonly now: () => number
  /** Time for the list, in milliseconds. */
  readonly fileDeadline: number
}

/** How long a list is taken for the current one, in seconds: it has hundreds of thousands of names. */
const LIST_FRESH = 86_400
/** Names between two looks at the clock. */
const PER_STEP = 1_000
/** A name in JSON, in which PHP escapes the slash. */
const NAME = /"([a-z0-9_.-]+)\\?\/([a-z0-9_.-]+)"/gi

/** The list of all names of an upstream: asked for once a day, kept in the database, and never held in memory. */
export class NameList {
  private found: { readonly key: string; readonly names: readonly string[] } | null = null

  constructor(private readonly parts: NameListParts) {}

  /** The names at `url` that belong to one of these vendors, lower-case. Throws AppError('upstream'). */
  async of(url: string, vendors: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]> {
    const { bytes, key } = await this.current(url, signal)
    const wanted = `${key} ${[...vendors].sort()}`
    if (this.found?.key !== wanted)
      this.found = { key: wanted, names: await namesOf(url, await bytes(), vendors, signal) }
    return this.found.names
  }

  /** The bytes of the list and a text that is another one for other bytes. */
  private async current(url: string, signal: AbortSignal) {
    const { upstream, transfers, files, now, fileDeadline } = this.parts
    const kept = await files.about(upstream.id, url)
    const keptBytes = async () => (await files.find(upstream.id, url))?.bytes ?? new Uint8Array()
    if (kept !== null && now() - kept.checkedAt < LIST_FRESH)
      return { bytes: keptBytes, key: `${url} ${kept.fetchedAt}` }
    const answer = await transfers.fetch({ url, known: kept, limit: MAX_FILE_BYTES, deadline: fileDeadline }, signal)
    if (answer.kind === 'absent') throw protocolError(`There is no list of names at ${url} (HTTP 404).`)
    const checkedAt = now()
    if (answer.kind === 'unchanged') {
      await files.noteChecked(upstream.id, url, checkedAt)
      return { bytes: keptBytes, key: `${url} ${kept?.fetchedAt}` }
    }
    const { bytes, etag, lastModified } = answer
    await files.save(upstream.id, { url, bytes, etag, lastModified, fetchedAt: checkedAt, checkedAt })
    return { bytes: async () => bytes, key: `${url} ${checkedAt}` }
  }
}

/** Names are found by their form: parsing the whole list would hold everything else up. */
async function namesOf(url: string, bytes: Uint8Array, vendors: ReadonlySet<string>, signal: AbortSignal) {
  const text = new TextDecoder().decode(bytes)
  if (!/^\s*\{\s*"packageNames"\s*:\s*\[/.test(text.slice(0, 200))) {
    throw protocolError(`${new URL(url).host} answered with something that is no list of names.`)
  }
  const names = new Set<string>()
  const pacer = new Pacer(signal)
  let seen = 0
  for (const [, vendor = '', project = ''] of text.matchAll(NAME)) {
    if (vendors.has(vendor.toLowerCase())) names.add(`${vendor}/${project}`.toLowerCase())
    seen += 1
    if (seen % PER_STEP === 0) await pacer.step()
  }
  return [...names]
}
