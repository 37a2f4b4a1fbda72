import { asObject, type RawFields } from '../composer/json.ts'
import { AppError } from '../errors.ts'
import { completeVersions } from '../mirror/complete-document.ts'
import { readKeptDocument } from '../mirror/package-document.ts'

/** The server whose packages are collected. */
export interface Broker {
  /** Sends a GET with everything allowed. Any status is an answer. */
  get(path: string): Promise<Response>
}

/** A version as the server offers it. */
export interface OfferedVersion {
  readonly version: string
  readonly versionNormalized: string
  /** True when the document of branches has it. */
  readonly dev: boolean
  /** Of its `dist`, or of its `source` without one; '' when neither has any. */
  readonly reference: string
  /** Null for a metapackage, and for one that is only had from its source. */
  readonly dist: OfferedDist | null
  readonly fields: RawFields
}

/** Where the archive of a version is. */
export interface OfferedDist {
  /** Path and query at the server. */
  readonly address: string
  readonly type: string
  /** SHA-1, lower-case hexadecimal; '' when none is known. */
  readonly shasum: string
}

/** Both documents of a package. Texts are JSON as the server wrote it. */
export interface OfferedPackage {
  readonly versions: readonly OfferedVersion[]
  readonly advisories: string | null
  readonly filter: string | null
}

/** What a server says of itself. */
export interface BrokerRoot {
  /** How its addresses begin, without a slash at the end. */
  readonly baseUrl: string
}

/** Largest document that is read, in bytes. */
const MAX_DOCUMENT_BYTES = 64 * 1_048_576
const METADATA = '/p2/%package%.json'

/** Reads where the server says it is. Throws AppError. */
export async function readBrokerRoot(broker: Broker): Promise<BrokerRoot> {
  const response = await broker.get('/packages.json')
  if (!response.ok) throw await refusalOf(response)
  const url = asObject(await response.json())?.['metadata-url']
  const at = typeof url === 'string' ? url.indexOf(METADATA) : -1
  if (typeof url !== 'string' || at < 0)
    throw new AppError('upstream', 'The server does not say where its metadata is.')
  return { baseUrl: url.slice(0, at) }
}

/** What the server has of a package; null when it has none of that name. Throws AppError with the server's sentence. */
export async function readOffered(broker: Broker, baseUrl: string, name: string): Promise<OfferedPackage | null> {
  const [tags, branches] = await Promise.all([document(broker, name, false), document(broker, name, true)])
  if (tags === null && branches === null) return null
  return {
    versions: [
      ...completeVersions(tags ?? NOTHING).map((one) => offered(one, false, baseUrl)),
      ...completeVersions(branches ?? NOTHING).map((one) => offered(one, true, baseUrl)),
    ],
    advisories: tags?.advisories ?? null,
    filter: tags?.filter ?? null,
  }
}

/** Why the server refuses, as it says itself. */
export async function refusalOf(response: Response): Promise<AppError> {
  const answer = asObject(await response.json().catch(() => null))
  const sentence =
    typeof answer?.error === 'string' ? answer.error : `The server answered with HTTP ${response.status}.`
  return new AppError(response.status === 404 ? 'not_found' : 'upstream', sentence)
}

const NOTHING = { versions: [], minified: false, advisories: null, filter: null }

async function document(broker: Broker, name: string, dev: boolean) {
  const response = await broker.get(`/p2/${name}${dev ? '~dev' : ''}.json`)
  if (response.status === 404) {
    await response.body?.cancel()
    return null
  }
  if (!response.ok) throw await refusalOf(response)
  const text = await response.text()
  if (text.length > MAX_DOCUMENT_BYTES) throw new AppError('too_large', `The document of ${name} is too large.`)
  return readKeptDocument(text, name)
}

function offered(
  { fields, facts }: ReturnType<typeof completeVersions>[number],
  dev: boolean,
  baseUrl: string,
): OfferedVersion {
  const source = asObject(JSON.parse(fields.get('source') ?? 'null'))
  const { version, versionNormalized, dist } = facts
  const reference = dist?.reference || (typeof source?.reference === 'string' ? source.reference : '')
  const here = dist?.url.startsWith(`${baseUrl}/dist/`) === true
  return {
    ...{ version, versionNormalized, dev, reference, fields },
    dist: dist && here ? { address: dist.url.slice(baseUrl.length), type: dist.type, shasum: dist.shasum } : null,
  }
}
