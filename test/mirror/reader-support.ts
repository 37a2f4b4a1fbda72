import { join } from 'node:path'
import { type HostGateOptions, HostGates } from '../../src/mirror/host-gate.ts'
import type { Upstream } from '../../src/mirror/upstream.ts'
import { createUpstreamReader, type ReaderParts, type UpstreamReader } from '../../src/mirror/upstream-reader.ts'
import { networkList } from '../../src/networks.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { createUpstreamHttp } from '../../src/sources/upstream-http.ts'
import { UpstreamFileTable } from '../../src/store/upstream-files.ts'
import { openStore, repositoryRow, type TestStore, temporaryDirectory } from '../store/support.ts'

/** The signal of somebody who waits for ever. */
export const patient = new AbortController().signal

/** A database of its own, and readers over it. */
export class ReaderBench {
  readonly issues: string[] = []
  /** Unix seconds; moved by tests. */
  now = 1_800_000_000
  private readonly directory = temporaryDirectory()
  private store: TestStore | undefined

  /** A reader as after a start of the program: nothing in memory. */
  async reader(
    upstream: Partial<Upstream> & { url: string },
    change: Partial<ReaderParts> & { gate?: HostGateOptions } = {},
  ): Promise<UpstreamReader> {
    const { gate, ...parts } = change
    return createUpstreamReader(upstreamOf(upstream), {
      http: createUpstreamHttp({ allowedNetworks: networkList(['127.0.0.0/8']) }),
      gates: new HostGates({ now: () => this.now * 1000, ...gate }),
      files: await this.files(),
      logger: createLogger({ level: 'error', format: 'json', write: () => {} }),
      onIssue: (_, subject, reason) => this.issues.push(`${subject}: ${reason}`),
      now: () => this.now,
      ...parts,
    })
  }

  /** The table of files, with the row of the upstream beside it. */
  async files(): Promise<UpstreamFileTable> {
    if (this.store === undefined) {
      this.store = await openStore(`file:${join(this.directory.path, 'broker.db')}`)
      await this.store.repositories.insert(repositoryRow('upstream', { vcsType: 'composer' }))
    }
    return new UpstreamFileTable(this.store.db)
  }

  async remove(): Promise<void> {
    await this.store?.db.close()
    this.directory.remove()
  }
}

/** An upstream with usual settings. */
export function upstreamOf(change: Partial<Upstream> & { url: string }): Upstream {
  return {
    id: 'upstream',
    credentials: null,
    priority: 0,
    allow: [],
    deny: [],
    freshFor: 60,
    staleIfError: 86_400,
    minimumReleaseAge: 0,
    releaseAgeExceptions: [],
    releaseAgePassesFixes: false,
    exposeSource: false,
    revision: 1,
    ...change,
  }
}

/** What a promise fails with, as its reason and its sentence; null when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<{ reason: unknown; message: string } | null> {
  return promise.then(
    () => null,
    (error) => ({ reason: error.details?.reason, message: error.message }),
  )
}
