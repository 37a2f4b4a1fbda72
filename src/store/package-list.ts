import type { CatalogEntry } from './catalog.ts'

/**
 * Packages in one order, with what finds some of them without looking at each. It is made anew when a package changes,
 * and each of its parts when it is first asked for.
 */
export class PackageList {
  private types: Map<string, CatalogEntry[]> | null = null
  private repositories: Map<string | null, CatalogEntry[]> | null = null
  private texts: Texts | null = null

  constructor(readonly all: readonly CatalogEntry[]) {}

  /** Those of a type. */
  ofType(type: string): readonly CatalogEntry[] {
    this.types ??= Map.groupBy(this.all, (entry) => entry.type)
    return this.types.get(type) ?? []
  }

  /** Those of a repository. */
  ofRepository(id: string): readonly CatalogEntry[] {
    this.repositories ??= Map.groupBy(this.all, (entry) => entry.repositoryId)
    return this.repositories.get(id) ?? []
  }

  /** Those whose name or description has this lower-case word, which is not empty and has no blanks. */
  mentioning(word: string): readonly CatalogEntry[] {
    this.texts ??= textsOf(this.all)
    return entriesWith(this.all, this.texts, word)
  }
}

/** Texts laid end to end: one pass over memory takes a tenth of looking into thousands of texts one by one. */
interface Texts {
  readonly bytes: Buffer
  /** Where the text of each package ends. */
  readonly ends: Uint32Array
}

function textsOf(entries: readonly CatalogEntry[]): Texts {
  const ends = new Uint32Array(entries.length)
  let end = -1
  for (const [index, { searchText }] of entries.entries()) {
    end += 1 + Buffer.byteLength(searchText)
    ends[index] = end
  }
  // No word has a line feed, so none reaches from one text into the next.
  return { bytes: Buffer.from(entries.map(({ searchText }) => searchText).join('\n')), ends }
}

function entriesWith(entries: readonly CatalogEntry[], { bytes, ends }: Texts, word: string): CatalogEntry[] {
  const wanted = Buffer.from(word)
  const found: CatalogEntry[] = []
  let at = bytes.indexOf(wanted)
  for (const [index, entry] of entries.entries()) {
    if (at === -1) break
    const end = ends[index] ?? 0
    if (at >= end) continue
    found.push(entry)
    at = bytes.indexOf(wanted, end)
  }
  return found
}
