import type { RawFields } from '../composer/json.ts'
import { JsonScanner } from '../composer/json-scanner.ts'
import { expandVersions, minifyVersions } from '../composer/minify.ts'
import type { Pacer } from '../pacer.ts'
import type { UpstreamDocument } from './upstream.ts'
import { normalizedVersion, VersionRules } from './version-rules.ts'

/** Told of each version that is left out: the package with the version, and why. */
export type OnIssue = (subject: string, reason: string) => void

/** A document as it was read; `versions` is null when it says nothing of the package. */
interface ReadDocument {
  versions: RawFields[] | null
  minified: boolean
  advisories: string | null
  filter: string | null
}

/**
 * Reads a document of one package, as `metadata-url` leads to. Null when it does not name the package. Versions that a
 * client could not load are left out and told to `onIssue`; if there are none, every text stays as it is. Throws
 * AppError('invalid') for what is no JSON. Composer: `ComposerRepository::loadAsyncPackages`.
 */
export async function readPackageDocument(
  text: string,
  name: string,
  pacer: Pacer,
  onIssue: OnIssue,
): Promise<UpstreamDocument | null> {
  const { versions, minified, advisories, filter } = scan(text, name)
  if (versions === null) return null
  const complete = minified ? expandVersions(versions) : versions
  const loadable = await loadableVersions(complete, name, pacer, onIssue)
  const untouched = loadable.length === versions.length && loadable.every((version, at) => version === complete[at])
  if (untouched) return { versions, minified, advisories, filter }
  return { versions: minified ? minifyVersions(loadable) : loadable, minified, advisories, filter }
}

/** Reads a document that was read before and kept: what is in it is known to be loadable. Null when it is none. */
export function readKeptDocument(text: string, name: string): UpstreamDocument | null {
  const { versions, ...rest } = scan(text, name)
  return versions === null ? null : { versions, ...rest }
}

/** The versions that clients can load, each with a `version_normalized`. Others are told to `onIssue`. */
export async function loadableVersions(
  versions: readonly RawFields[],
  name: string,
  pacer: Pacer,
  onIssue: OnIssue,
): Promise<RawFields[]> {
  const rules = new VersionRules(name)
  const loadable: RawFields[] = []
  for (const version of versions) {
    await pacer.step()
    const problem = rules.problem(version)
    if (problem === null) loadable.push(withNormalizedVersion(version))
    else onIssue(`${name} ${(version.get('version') ?? '').replaceAll('"', '').slice(0, 100)}`.trim(), problem)
  }
  return loadable
}

/** Reads the versions that come next, a list or an object of any keys. What is no object is a version without fields. */
export function scanVersions(scanner: JsonScanner): RawFields[] {
  const read = () => {
    if (scanner.next() === 'object') return scanner.fields()
    scanner.value()
    return new Map<string, string>()
  }
  const list: RawFields[] = []
  switch (scanner.next()) {
    case 'list':
      scanner.items(() => list.push(read()))
      return list
    case 'object': {
      const byKey = new Map<string, RawFields>()
      scanner.members((key) => byKey.set(key, read()))
      return [...byKey.values()]
    }
    default:
      scanner.value()
      return list
  }
}

function scan(text: string, name: string): ReadDocument {
  const read: ReadDocument = { versions: null, minified: false, advisories: null, filter: null }
  const scanner = new JsonScanner(text)
  scanner.document((key) => {
    const kind = scanner.next()
    if (key === 'packages' && kind === 'object') {
      read.versions = null
      scanner.members((packageName) => {
        if (packageName !== name) scanner.value()
        else if (scanner.next() === 'other') read.versions = scanner.value() === 'null' ? null : []
        else read.versions = scanVersions(scanner)
      })
      return
    }
    const raw = scanner.value()
    if (key === 'packages') read.versions = null
    if (key === 'minified') read.minified = raw === '"composer/2.0"'
    if (key === 'security-advisories') read.advisories = kind === 'list' ? raw : null
    if (key === 'filter') read.filter = kind === 'object' ? raw : null
  })
  return read
}

function withNormalizedVersion(version: RawFields): RawFields {
  const normalized = JSON.stringify(normalizedVersion(version))
  return version.get('version_normalized') === normalized
    ? version
    : new Map([...version, ['version_normalized', normalized]])
}
