import { type Advisory, completeAdvisory, mergeAdvisories, readAdvisories } from '../composer/advisories.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { UpstreamAdvisoryTable } from '../store/upstream-advisories.ts'
import { mayBeAsked } from './allowed-names.ts'
import type { Mirror, Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What asking upstreams for advisories takes. `now` gives Unix seconds. */
export interface RelayParts {
  readonly upstreams: { list(): readonly Upstream[] }
  readonly readerOf: (upstream: Upstream) => Pick<UpstreamReader, 'advisories'>
  readonly mirror: Mirror
  readonly table: UpstreamAdvisoryTable
  readonly logger: Logger
  readonly now: () => number
}

/** What upstreams know, and the hosts of those that could not be asked about everything. */
export interface Relayed {
  readonly advisories: ReadonlyMap<string, readonly Advisory[]>
  readonly silent: readonly string[]
}

type Lists = ReadonlyMap<string, readonly Advisory[]>

/** How long upstreams are given, in milliseconds; clients wait 10 seconds (Composer: getSecurityAdvisories). */
const PATIENCE_MS = 8_000
/** How long an answer is taken for the current one, in seconds. */
const FRESH_FOR = 600

/** Advisories as upstreams know them: asked for in batches, kept, and answered from what is kept when one fails. */
export class RelayedAdvisories {
  constructor(private readonly parts: RelayParts) {}

  /**
   * Advisories of these packages, those of the first upstream leading; a name that none of them knows is missing. Names
   * that are owned or claimed here must not be among them. An upstream that fails is told of and no error: the client
   * would else learn nothing of all the other packages, and Composer 2.9 would refuse to update any of them.
   */
  async of(names: readonly string[]): Promise<Relayed> {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const silent: string[] = []
    const answers = await Promise.all(
      this.parts.upstreams.list().map(async (upstream) => {
        const asked = names.filter((name) => mayBeAsked(upstream, name))
        return asked.length === 0 ? new Map() : this.at(upstream, asked, silent, signal)
      }),
    )
    const found = names.flatMap((name) => {
      const lists = answers.flatMap((answer: Lists) => (answer.has(name) ? [answer.get(name) ?? []] : []))
      return lists.length === 0 ? [] : [[name, mergeAdvisories(lists)] as const]
    })
    return { advisories: new Map(found), silent }
  }

  private async at(
    upstream: Upstream,
    names: readonly string[],
    silent: string[],
    signal: AbortSignal,
  ): Promise<Lists> {
    const { table, now, readerOf, logger } = this.parts
    const kept = await table.find(upstream.id, names)
    const age = (name: string) => now() - (kept.get(name)?.checkedAt ?? Number.NEGATIVE_INFINITY)
    const due = names.filter((name) => age(name) >= Math.max(FRESH_FOR, upstream.freshFor))
    const known = new Map<string, readonly Advisory[]>()
    for (const [name, { content }] of kept) {
      if (age(name) < upstream.staleIfError) known.set(name, readAdvisories(JSON.parse(content)))
    }
    if (due.length === 0) return known
    try {
      const answer = await readerOf(upstream).advisories(due, signal)
      const fresh = answer === null ? await this.inDocuments(upstream, due) : await this.keep(upstream, answer)
      for (const name of due) if (!fresh.has(name)) known.delete(name)
      for (const [name, list] of fresh) known.set(name, list)
    } catch (error) {
      logger.warn('an upstream could not be asked for advisories', { upstream: upstream.id, error: messageOf(error) })
      silent.push(new URL(upstream.url).host)
    }
    return known
  }

  private async keep(upstream: Upstream, answer: ReadonlyMap<string, readonly unknown[]>): Promise<Lists> {
    const checkedAt = this.parts.now()
    const read = [...answer].map(([name, list]) => ({ name, list, content: JSON.stringify(list), checkedAt }))
    await this.parts.table.save(
      upstream.id,
      read.map(({ list: _list, ...row }) => row),
    )
    return new Map(read.map(({ name, list }) => [name, readAdvisories(list)]))
  }

  /** An upstream without an API has what it knows in its documents, where short forms do, but not for those who ask here. */
  private async inDocuments(upstream: Upstream, names: readonly string[]): Promise<Lists> {
    const documents = await Promise.all(names.map((name) => this.parts.mirror.document(name, false)))
    const { host } = new URL(upstream.url)
    return new Map(
      documents.flatMap((document) => {
        if (document === null || document.upstream.id !== upstream.id || document.advisories === null) return []
        const list = readAdvisories(JSON.parse(document.advisories))
        return [[document.name, list.map((advisory) => completeAdvisory(advisory, host))] as const]
      }),
    )
  }
}
