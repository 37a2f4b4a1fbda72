import { asObject } from './json.ts'
import { plainAddress, plainText } from './plain-text.ts'
import { servedConstraint } from './served-constraint.ts'

/** The list that clients heed without being told to. */
export const MALWARE = 'malware'

/** An entry of a filter list: versions of a package that nobody is to install. */
export interface FilterEntry {
  /** A constraint that every client reads. */
  readonly constraint: string
  readonly reason: string | null
  readonly url: string | null
  readonly id: string | null
  readonly source: string | null
}

/** Entries about one package, by list. */
export type FilterLists = ReadonlyMap<string, readonly FilterEntry[]>

/** Most lists, and most entries of one about one package, that are taken over from one place. */
const MOST_LISTS = 50
const MOST_ENTRIES = 200

const LIST_NAME = /^[a-z0-9](?:[a-z0-9_-]{0,48}[a-z0-9])?$/
/** Names that Composer keeps for its own policies (Composer: PolicyConfig). */
const RESERVED =
  /^(?:advisories|abandoned|packages?|licen[sc]es?|support|maintenance|security|minimum-release-age|ignore.*)$/

/** Why a text cannot name a filter list, as the end of a sentence; null when it can. */
export function listNameProblem(name: string): string | null {
  if (!LIST_NAME.test(name)) return 'needs a name of at most 50 letters a-z, digits, "-" and "_", like "malware"'
  return RESERVED.test(name) ? `needs another name: "${name}" is one that Composer keeps for itself` : null
}

/**
 * Entries about one package out of `filter` of a document as an upstream wrote it: bounded, without control characters
 * and with constraints that every client reads. Lists that a client would refuse are left out.
 */
export function readFilterLists(value: unknown): FilterLists {
  const named = Object.entries(asObject(value) ?? {}).filter(([name]) => listNameProblem(name) === null)
  const lists = named.slice(0, MOST_LISTS).map(([name, list]) => [name, readFilterEntries(list)] as const)
  return new Map(lists.filter(([, entries]) => entries.length > 0))
}

/** Entries about one package out of one list. */
function readFilterEntries(value: unknown): FilterEntry[] {
  return (Array.isArray(value) ? value : []).slice(0, MOST_ENTRIES).flatMap((item: unknown) => {
    const entry = asObject(item)
    const constraint = typeof entry?.constraint === 'string' ? servedConstraint(entry.constraint) : null
    if (entry === null || constraint === null) return []
    return [
      {
        constraint,
        reason: plainText(entry.reason, 500),
        url: plainAddress(entry.url),
        id: plainText(entry.id, 100),
        source: plainText(entry.source, 100),
      },
    ]
  })
}

/** One set of lists out of several, without entries that say the same. */
export function mergeFilterLists(all: readonly FilterLists[]): FilterLists {
  const merged = new Map<string, FilterEntry[]>()
  for (const lists of all) {
    for (const [name, entries] of lists) {
      const known = merged.get(name) ?? []
      const fresh = entries.filter((entry) => !known.some((other) => sameEntry(entry, other)))
      merged.set(name, [...known, ...fresh])
    }
  }
  return merged
}

function sameEntry(left: FilterEntry, right: FilterEntry): boolean {
  return left.id === right.id && left.constraint === right.constraint && left.reason === right.reason
}

/** An entry as clients read it; what is not known is left out. */
export function servedFilterEntry({ constraint, reason, url, id, source }: FilterEntry) {
  const known = Object.entries({ url, reason, id, source }).filter(([, value]) => value !== null)
  return { constraint, ...(Object.fromEntries(known) as Record<string, string>) }
}
