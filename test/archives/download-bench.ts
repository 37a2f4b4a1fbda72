import { createHash } from 'node:crypto'
import type { ArchiveRecord } from '../../src/archives/archive-index.ts'
import type { Delivery, WantedArchive } from '../../src/archives/download.ts'
import { DownloadStore, type DownloadStoreOptions } from '../../src/archives/download-store.ts'
import type { IncomingArchive } from '../../src/archives/incoming-archive.ts'
import { eventLog, MemoryIndex, noise, scratch } from './support.ts'

/** Bytes that begin and end like a zip, of exactly this length. */
export function zipLike(length: number, seed = 1): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(noise(length, seed))
  bytes.write('PK\x03\x04', 0, 'latin1')
  bytes.write('PK\x05\x06', length - 22, 'latin1')
  return bytes
}

export function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

/** A body that a test sends piece by piece. */
export class Sender {
  private out: ReadableStreamDefaultController<Uint8Array> | undefined
  cancelled = false
  readonly delivery: Delivery

  constructor(declared: number | null = null) {
    const body = new ReadableStream<Uint8Array>(
      {
        start: (out) => {
          this.out = out
        },
        cancel: () => {
          this.cancelled = true
        },
      },
      { highWaterMark: 1_000 },
    )
    this.delivery = { body, declared }
  }

  send(bytes: Uint8Array): this {
    this.out?.enqueue(Uint8Array.from(bytes))
    return this
  }

  end(): this {
    this.out?.close()
    return this
  }

  breakOff(error: unknown = new Error('ECONNRESET')): this {
    this.out?.error(error)
    return this
  }
}

/** A body that is there at once. */
export function sent(bytes: Uint8Array, declared: number | null = bytes.length): Delivery {
  return new Sender(declared).send(bytes).end().delivery
}

/** What a test wants to download. */
export interface Want {
  reference?: string
  subject?: string
  form?: WantedArchive['form']
  sha1?: string
  host?: string
  open: WantedArchive['open']
}

/** Stores of one test file, each with an index in memory. */
export function downloadBench() {
  const directories = scratch()
  const stores: DownloadStore[] = []
  return {
    async open(options: Partial<DownloadStoreOptions> = {}) {
      const index = new MemoryIndex()
      const refused: string[] = []
      const { events, onEvent } = eventLog()
      const directory = options.directory ?? directories.make()
      const store = await DownloadStore.open({ directory, maxBytes: 0, index, onEvent, stopGrace: 50, ...options })
      stores.push(store)
      const want = (each: Want): WantedArchive => {
        const key = { repositoryId: 'repo_up', reference: each.reference ?? 'd'.repeat(40), path: '' }
        return {
          key,
          subject: each.subject ?? 'acme/lib 1.0.0',
          form: each.form ?? 'zip',
          sha1: each.sha1 ?? '',
          host: each.host ?? 'repo.example.com',
          open: each.open,
          record: (record: ArchiveRecord) => index.record(key, record),
          refused: async (reason) => {
            refused.push(reason)
          },
        }
      }
      return { store, index, refused, events, directory, want }
    },
    async stop() {
      for (const store of stores.splice(0)) await store.stop()
    },
    clean: () => directories.clean(),
  }
}

/** Everything that a reader gets of an archive on its way, and what broke it off. */
export async function readAll(incoming: IncomingArchive): Promise<{ bytes: Buffer; error: unknown }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of incoming.stream()) pieces.push(piece)
    return { bytes: Buffer.concat(pieces), error: null }
  } catch (error) {
    return { bytes: Buffer.concat(pieces), error }
  }
}
