import { packageNameProblem } from '../composer/package-name.ts'
import { plainAddress, plainText } from '../composer/plain-text.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { mayBeAsked } from './allowed-names.ts'
import type { Upstream } from './upstream.ts'
import type { FoundPackage, FoundPage, FoundProvider, SearchQuestion } from './upstream-queries.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What the directory asks with. */
export interface DirectoryParts {
  readonly upstreams: { list(): readonly Upstream[] }
  readonly readerOf: (upstream: Upstream) => Pick<UpstreamReader, 'search' | 'providers' | 'names'>
  readonly logger: Logger
}

type Reader = ReturnType<DirectoryParts['readerOf']>

/** Longest text for people, in characters. */
const LONGEST = 500

/**
 * What upstreams answer to questions about more than one package: names as they may be asked for, texts that are safe to
 * print. Nothing of it is kept, and an upstream that fails is left out: these answers help people to find a name, and
 * decide nothing.
 */
export class UpstreamDirectory {
  constructor(private readonly parts: DirectoryParts) {}

  /** A page of the packages found by words and type, of every upstream, each name once. */
  async search(wanted: SearchQuestion, signal: AbortSignal): Promise<FoundPage> {
    const isName = packageNameProblem(wanted.text.toLowerCase()) === null
    const pages = await this.each(
      (upstream) => !isName || mayBeAsked(upstream, wanted.text.toLowerCase()),
      (reader) => reader.search(wanted, signal),
    )
    const packages = new Map<string, FoundPackage>()
    for (const { upstream, answer } of pages) {
      for (const found of answer.packages) {
        const name = found.virtual ? null : nameOf(upstream, found.name)
        if (name !== null && !packages.has(name)) packages.set(name, { ...found, ...printable(found), name })
      }
    }
    return { packages: [...packages.values()], total: pages.reduce((sum, { answer }) => sum + answer.total, 0) }
  }

  /** Packages that provide or replace a lower-case name, which is neither owned nor reserved here. */
  async providers(name: string, signal: AbortSignal): Promise<FoundProvider[]> {
    const found = await this.each(
      (upstream) => mayBeAsked(upstream, name),
      (reader) => reader.providers(name, signal),
    )
    return found.flatMap(({ upstream, answer }) =>
      answer.flatMap((provider) => {
        const known = nameOf(upstream, provider.name)
        const { description, type } = provider
        if (known === null) return []
        return { name: known, description: line(description), type: line(type) || 'library' }
      }),
    )
  }

  /** Names that match a pattern, of upstreams that have a list of names. */
  async names(pattern: string, signal: AbortSignal): Promise<string[]> {
    const found = await this.each(
      (upstream) => pattern.includes('*') || mayBeAsked(upstream, pattern),
      (reader) => reader.names(pattern, signal),
    )
    return found.flatMap(({ upstream, answer }) => answer.flatMap((name) => nameOf(upstream, name) ?? []))
  }

  /** What each upstream that may hear of it answers, in their order; those that fail, or have no answer to such questions, are left out. */
  private async each<Answer>(
    mayHear: (upstream: Upstream) => boolean,
    question: (reader: Reader) => Promise<Answer | null>,
  ) {
    const { upstreams, readerOf, logger } = this.parts
    const heard = upstreams.list().filter(mayHear)
    const answers = heard.map(async (upstream) => {
      try {
        const answer = await question(readerOf(upstream))
        return answer === null ? [] : [{ upstream, answer }]
      } catch (error) {
        logger.warn('an upstream could not be asked', { upstream: upstream.id, error: messageOf(error) })
        return []
      }
    })
    return (await Promise.all(answers)).flat()
  }
}

function printable({ description, url, abandoned }: FoundPackage) {
  return {
    description: line(description),
    url: plainAddress(url) ?? '',
    abandoned: typeof abandoned === 'string' ? line(abandoned) || true : abandoned,
  }
}

function line(text: string): string {
  return plainText(text, LONGEST) ?? ''
}

function nameOf(upstream: Upstream, name: string): string | null {
  const lower = name.toLowerCase()
  return packageNameProblem(lower) === null && mayBeAsked(upstream, lower) ? lower : null
}
