import { type FilterLists, listNameProblem, readFilterLists } from '../composer/filter-list.ts'
import { packageNameProblem } from '../composer/package-name.ts'
import { servedConstraint } from '../composer/served-constraint.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { mayBeAsked } from './allowed-names.ts'
import type { Mirror, Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What filter lists of upstreams are read with. */
export interface FilterListParts {
  readonly upstreams: { list(): readonly Upstream[] }
  readonly readerOf: (upstream: Upstream) => Pick<UpstreamReader, 'filterSummary'>
  readonly mirror: Mirror
  readonly logger: Logger
}

/** Versions of a package that are on a list. */
export interface ListedVersions {
  readonly list: string
  /** Lower-case full name. */
  readonly name: string
  readonly constraint: string
}

/**
 * Filter lists of upstreams. One that cannot be asked is left out: what is known of its lists still stands in its
 * documents, and keeps its archives from being served.
 */
export class UpstreamFilterLists {
  constructor(private readonly parts: FilterListParts) {}

  /** The entries about a package that is neither owned nor claimed here. */
  async of(name: string): Promise<FilterLists> {
    try {
      const document = await this.parts.mirror.document(name, false)
      return readFilterLists(document?.filter ? JSON.parse(document.filter) : null)
    } catch (error) {
      this.parts.logger.warn('an upstream could not be asked for filter lists', { error: messageOf(error) })
      return new Map()
    }
  }

  /** Every package on a list, of the names that may be had here. */
  async summary(signal: AbortSignal): Promise<ListedVersions[]> {
    const found = this.parts.upstreams.list().map(async (upstream) => {
      try {
        const lists = (await this.parts.readerOf(upstream).filterSummary(signal)) ?? new Map()
        return [...lists].flatMap(([list, packages]: [string, ReadonlyMap<string, string>]) =>
          listNameProblem(list) === null ? listed(upstream, list, packages) : [],
        )
      } catch (error) {
        const { logger } = this.parts
        logger.warn('an upstream could not be asked for filter lists', {
          upstream: upstream.id,
          error: messageOf(error),
        })
        return []
      }
    })
    return (await Promise.all(found)).flat()
  }
}

function listed(upstream: Upstream, list: string, packages: ReadonlyMap<string, string>): ListedVersions[] {
  return [...packages].flatMap(([name, written]) => {
    const constraint = servedConstraint(written)
    const usable = packageNameProblem(name) === null && mayBeAsked(upstream, name)
    return usable && constraint !== null ? [{ list, name, constraint }] : []
  })
}
