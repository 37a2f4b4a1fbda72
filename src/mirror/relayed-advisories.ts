import { type Advisory, mergeAdvisories, readAdvisories } from '../composer/advisories.ts'
import { mayBeAsked } from './allowed-names.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What asking upstreams for advisories takes. */
export interface RelayParts {
  readonly upstreams: { list(): readonly Upstream[] }
  readonly readerOf: (upstream: Upstream) => Pick<UpstreamReader, 'advisories'>
}

/** How long upstreams are given, in milliseconds; clients wait 10 seconds (Composer: getSecurityAdvisories). */
const PATIENCE_MS = 8_000
const NAMES_PER_QUESTION = 500

/**
 * Advisories of packages as the upstreams know them, those of the first upstream leading; a name that none of them knows
 * is missing. Names that are owned or claimed here must not be among them. Throws AppError('upstream') when one cannot
 * be asked: silence is not absence.
 */
export async function relayedAdvisories(parts: RelayParts, names: readonly string[]): Promise<Map<string, Advisory[]>> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const answers = await Promise.all(
    parts.upstreams.list().map(async (upstream) => {
      const asked = names.filter((name) => mayBeAsked(upstream, name))
      const known: (readonly [string, readonly unknown[]])[] = []
      for (let at = 0; at < asked.length; at += NAMES_PER_QUESTION) {
        const some = asked.slice(at, at + NAMES_PER_QUESTION)
        known.push(...((await parts.readerOf(upstream).advisories(some, signal)) ?? []))
      }
      return new Map(known)
    }),
  )
  const lists = names.map(
    (name) => [name, answers.flatMap((answer) => (answer.has(name) ? [answer.get(name)] : []))] as const,
  )
  return new Map(
    lists
      .filter(([, found]) => found.length > 0)
      .map(([name, found]) => [name, mergeAdvisories(found.map(readAdvisories))]),
  )
}
