import { asObject } from '../composer/json.ts'
import { AppError } from '../errors.ts'
import { protocolError } from './response-body.ts'
import { readJson } from './upstream-json.ts'
import type { UpstreamTransfers } from './upstream-transfer.ts'
import { fillTemplate } from './upstream-url.ts'

/** A package that a search found (Packagist: `/search.json`). */
export interface FoundPackage {
  /** As the upstream writes it. */
  readonly name: string
  readonly description: string
  /** Page of the package, '' for none. */
  readonly url: string
  /** Where its source is, '' for none. */
  readonly repository: string
  readonly downloads: number
  readonly favers: number
  /** True, or the name of the package to use instead. */
  readonly abandoned: boolean | string
  /** It is no package, only a name that others provide. */
  readonly virtual: boolean
}

/** What is searched for, and which part of what is found. */
export interface SearchQuestion {
  readonly text: string
  /** '' for all. */
  readonly type: string
  /** From 1 on. */
  readonly page: number
  readonly perPage: number
}

/** A page of what a search found. */
export interface FoundPage {
  readonly packages: readonly FoundPackage[]
  /** On all pages, as the upstream says. */
  readonly total: number
}

/** A package that stands in for another one (Packagist: `/providers/…`). */
export interface FoundProvider {
  readonly name: string
  readonly description: string
  readonly type: string
}

/** By list, by lower-case name of the package: the constraint of the versions that are on it. */
export type FilterSummary = ReadonlyMap<string, ReadonlyMap<string, string>>

/** Largest answer to a question, in bytes. */
const MAX_ANSWER_BYTES = 8 * 1_048_576
/** Names in one question for advisories; Packagist answers for a thousand. */
const NAMES_PER_QUESTION = 500
/** Most rows of one answer that are taken. */
const MOST_ROWS = 1_000

/** Questions that an upstream answers and nothing here remembers. Addresses are those of its root, templates included. */
export class UpstreamQueries {
  /** `deadline`: time for one question, in milliseconds. */
  constructor(
    private readonly transfers: UpstreamTransfers,
    private readonly deadline: number,
  ) {}

  /** A page of the packages found by a text. */
  async search(searchUrl: string, wanted: SearchQuestion, signal: AbortSignal): Promise<FoundPage> {
    const { text, type, page, perPage } = wanted
    const address = new URL(
      fillTemplate(searchUrl, { query: encodeURIComponent(text), type: encodeURIComponent(type) }),
    )
    address.searchParams.set('per_page', String(perPage))
    if (page > 1) address.searchParams.set('page', String(page))
    const answer = (await this.ask({ url: address.href }, signal)) ?? noAnswer(address.href)
    const packages = rows(answer.results).flatMap((row) => readFound(row) ?? [])
    return { packages, total: Math.max(packages.length, count(answer.total)) }
  }

  /** Names that match a pattern. */
  async names(listUrl: string, pattern: string, signal: AbortSignal): Promise<readonly string[]> {
    const address = new URL(listUrl)
    address.searchParams.set('filter', pattern)
    const answer = (await this.ask({ url: address.href }, signal)) ?? noAnswer(address.href)
    const names = Array.isArray(answer.packageNames) ? answer.packageNames : []
    return names.filter((name) => typeof name === 'string')
  }

  /** Packages that provide or replace a name; none when the upstream does not know it. */
  async providers(providersApiUrl: string, name: string, signal: AbortSignal): Promise<readonly FoundProvider[]> {
    const answer = await this.ask({ url: fillTemplate(providersApiUrl, { package: name }) }, signal)
    return rows(answer?.providers).flatMap((row) => {
      const provider = asObject(row)
      if (typeof provider?.name !== 'string') return []
      return { name: provider.name, description: text(provider.description), type: text(provider.type) }
    })
  }

  /**
   * Complete advisories of packages by lower-case name, each a list as the upstream wrote it. A name it does not know is
   * missing. Composer: `ComposerRepository::getSecurityAdvisories`.
   */
  async advisories(
    apiUrl: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly unknown[]>> {
    const found = new Map<string, readonly unknown[]>()
    for (let at = 0; at < names.length; at += NAMES_PER_QUESTION) {
      const asked = names.slice(at, at + NAMES_PER_QUESTION)
      const form = String(new URLSearchParams(Object.fromEntries(asked.map((name, at) => [`packages[${at}]`, name]))))
      const answer = (await this.ask({ url: apiUrl, form }, signal)) ?? noAnswer(apiUrl)
      const advisories = asObject(answer.advisories) ?? {}
      for (const name of asked) {
        const list = Object.hasOwn(advisories, name) ? advisories[name] : undefined
        if (Array.isArray(list)) found.set(name, list)
      }
    }
    return found
  }

  /** The answer as an object, or null for 404. */
  private async ask(
    question: { readonly url: string; readonly form?: string },
    signal: AbortSignal,
  ): Promise<Record<string, unknown> | null> {
    const answer = await this.transfers.fetch({ ...question, limit: MAX_ANSWER_BYTES, deadline: this.deadline }, signal)
    return answer.kind === 'found' ? readObject(question.url, answer.bytes) : null
  }
}

/** Reads the summary of filter lists (Packagist: `/lists/all/summary.json`). Throws AppError('upstream') for what is none. */
export function readFilterSummary(url: string, bytes: Uint8Array): FilterSummary {
  const lists = readObject(url, bytes).filter
  // PHP writes an empty map as a list.
  if (typeof lists !== 'object' || lists === null) {
    throw protocolError(`${new URL(url).host} answered with something that is no summary of filter lists.`)
  }
  const entries = Object.entries(lists).map(([list, packages]) => {
    const constraints = Object.entries(asObject(packages) ?? {}).filter(([, each]) => typeof each === 'string')
    return [list, new Map(constraints.map(([name, each]) => [name.toLowerCase(), String(each)]))] as const
  })
  return new Map(entries)
}

function readObject(url: string, bytes: Uint8Array): Record<string, unknown> {
  return readJson(url, bytes, (json) => {
    const value = asObject(parsed(json))
    if (value === null) throw new AppError('invalid', 'the answer is JSON, but no object')
    return value
  })
}

/** What the root promised is not there: that says nothing of what was asked for. */
function noAnswer(url: string): never {
  throw protocolError(`There is nothing at ${url}, which the root document names.`)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new AppError('invalid', 'invalid JSON', { cause })
  }
}

function readFound(value: unknown): FoundPackage | null {
  const row = asObject(value)
  if (typeof row?.name !== 'string') return null
  const { abandoned } = row
  return {
    name: row.name,
    description: text(row.description),
    url: text(row.url),
    repository: text(row.repository),
    downloads: count(row.downloads),
    favers: count(row.favers),
    abandoned: typeof abandoned === 'string' ? abandoned : abandoned === true,
    virtual: row.virtual === true,
  }
}

function rows(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, MOST_ROWS) : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}
