import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { scanJsonObject } from '../composer/json-scanner.ts'
import { protocolError } from './response-body.ts'
import { absoluteUrl } from './upstream-url.ts'

/** How the packages of an upstream are found. */
export type UpstreamLayout =
  /** A document per package and stability, when it is asked for. */
  | { readonly kind: 'lazy'; readonly metadataUrl: string }
  /** A document per package, when it is asked for. */
  | { readonly kind: 'lazy-v1'; readonly metadataUrl: string }
  /** A document per package in a file named by its hash, which a listing says. */
  | { readonly kind: 'hashed'; readonly providersUrl: string; readonly includes: readonly HashedFile[] }
  /** Everything in the root document and the files it includes. */
  | { readonly kind: 'static' }

/** A file that the root names with a hash, '' when it names none. */
export interface HashedFile {
  readonly url: string
  /** Lower-case hexadecimal. */
  readonly hash: string
}

/** The root document of an upstream, as far as it is used. Addresses are complete; templates stay templates. */
export interface UpstreamRoot {
  readonly layout: UpstreamLayout
  /** Complete JSON text; what is known of packages without another request is in it. */
  readonly fields: RawFields
  /** The only names there are, lower-case; null when it says nothing of it. */
  readonly availablePackages: ReadonlySet<string> | null
  /** Lower-case patterns of the only names there are, in union with `availablePackages`; null when it says nothing. */
  readonly availablePatterns: readonly string[] | null
  readonly listUrl: string | null
  readonly searchUrl: string | null
  readonly providersApiUrl: string | null
  readonly changesUrl: string | null
  readonly advisories: { readonly metadata: boolean; readonly apiUrl: string | null } | null
  readonly filter: {
    readonly lists: readonly string[]
    readonly summaryUrl: string | null
    readonly apiUrl: string | null
  } | null
}

/** Which names an upstream has. */
export interface OfferedNames {
  /** Lower-case. */
  readonly names: readonly string[]
  /** Lower-case patterns of further names. */
  readonly patterns: readonly string[]
}

/** One of these makes a JSON object the root of a repository. */
const ROOT_KEYS = ['packages', 'includes', 'metadata-url', 'providers-lazy-url', 'providers-url', 'providers']

/**
 * Reads a root document. The kinds of layout exclude each other in the order of Composer's `ComposerRepository`:
 * `metadata-url` takes over from everything, then `providers-lazy-url`, then `providers-url` with its listings, then
 * what the document includes. Throws AppError('invalid') for what is no JSON, AppError('upstream') for what is no root.
 */
export function readUpstreamRoot(text: string, upstreamUrl: string): UpstreamRoot {
  const fields = scanJsonObject(text)
  if (!ROOT_KEYS.some((key) => fields.has(key))) {
    throw protocolError(`The root document of ${new URL(upstreamUrl).host} is not that of a Composer repository.`)
  }
  const url = (key: string) => absoluteUrl(small(fields.get(key)), upstreamUrl)
  const closed = fields.has('metadata-url')
  return {
    fields,
    layout: layoutOf(fields, upstreamUrl, url),
    availablePackages: closed ? setOf(nameList(fields.get('available-packages'))) : null,
    availablePatterns: closed ? nameList(fields.get('available-package-patterns')) : null,
    listUrl: url('list'),
    searchUrl: url('search'),
    providersApiUrl: url('providers-api'),
    changesUrl: url('metadata-changes-url'),
    advisories: advisoriesOf(fields, upstreamUrl),
    filter: filterOf(fields, upstreamUrl),
  }
}

/** The files that a root or an include names with hashes, by their addresses. `algorithm` is the key of the hash. */
export function hashedFiles(
  raw: string | undefined,
  algorithm: 'sha1' | 'sha256',
  upstreamUrl: string,
): readonly HashedFile[] {
  return Object.entries(asObject(jsonValue(raw)) ?? {}).map(([path, entry]) => {
    const given = asObject(entry)?.[algorithm]
    const hash = typeof given === 'string' ? given.toLowerCase() : ''
    const url = absoluteUrl(path.replace('%hash%', hash), upstreamUrl)
    if (url === null) throw protocolError(`${new URL(upstreamUrl).host} names a file by what is no address.`)
    return { url, hash }
  })
}

/** Names or patterns, lower-case; null when there are none, which says nothing (Composer: `!empty`). */
export function nameList(raw: string | undefined): readonly string[] | null {
  const value = jsonValue(raw)
  const items = typeof value === 'object' && value !== null ? Object.values(value) : []
  const names = items.filter((item) => typeof item === 'string').map((name) => name.toLowerCase())
  return names.length === 0 ? null : names
}

function setOf(names: readonly string[] | null): ReadonlySet<string> | null {
  return names === null ? null : new Set(names)
}

function layoutOf(fields: RawFields, upstreamUrl: string, url: (key: string) => string | null): UpstreamLayout {
  const template = (key: string) => {
    const address = url(key)
    if (address?.includes('%package%')) return address
    if (!truthy(fields.get(key))) return null
    throw protocolError(`${new URL(upstreamUrl).host} has a ${key} that is no address with %package% in it.`)
  }
  const metadataUrl = template('metadata-url')
  if (metadataUrl !== null) return { kind: 'lazy', metadataUrl }
  const lazyUrl = template('providers-lazy-url')
  if (lazyUrl !== null) return { kind: 'lazy-v1', metadataUrl: lazyUrl }
  const providersUrl = template('providers-url')
  if (providersUrl === null) return { kind: 'static' }
  const includes = hashedFiles(fields.get('provider-includes'), 'sha256', upstreamUrl)
  return { kind: 'hashed', providersUrl, includes }
}

function advisoriesOf(fields: RawFields, upstreamUrl: string): UpstreamRoot['advisories'] {
  const value = asObject(small(fields.get('security-advisories')))
  if (value === null || !fields.has('metadata-url')) return null
  return { metadata: Boolean(value.metadata), apiUrl: absoluteUrl(value['api-url'], upstreamUrl) }
}

/** Without `metadata` clients ignore the rest (Composer: `ComposerRepositoryFilterInformation`). */
function filterOf(fields: RawFields, upstreamUrl: string): UpstreamRoot['filter'] {
  const value = asObject(small(fields.get('filter')))
  if (value === null || !fields.has('metadata-url') || !value.metadata) return null
  const lists = Object.entries(asObject(value.lists) ?? {}).filter(([, list]) => Boolean(asObject(list)?.enabled))
  return {
    lists: lists.map(([name]) => name),
    summaryUrl: absoluteUrl(value['summary-url'], upstreamUrl),
    apiUrl: absoluteUrl(value['api-url'], upstreamUrl),
  }
}

/** True for what PHP does not find empty. */
function truthy(raw: string | undefined): boolean {
  return raw !== undefined && !['null', 'false', '0', '""', '"0"', '[]', '{}'].includes(raw)
}

/** The value of a field that is small in an honest document; anything else is as good as none. */
function small(raw: string | undefined): unknown {
  return raw === undefined || raw.length > 65_536 ? undefined : JSON.parse(raw)
}
