import { createHash } from 'node:crypto'
import { normalizeVersion, parseStability, type Stability } from '../../../src/composer/version-parser.ts'
import { type Entry, zipOf } from '../zip-builder.ts'

/** A version that an upstream offers. */
export interface UpstreamVersion {
  /** Pretty form: `1.0.0`, `v2.1.0-beta1`, `dev-main`, `1.x-dev`. */
  version: string
  /** Further keys of its composer.json: `require`, `extra`, `bin`, … */
  manifest?: Record<string, unknown>
  /** Files beside composer.json; one class by default. */
  files?: Record<string, string>
  /** Unix seconds; the author's date, `time`. */
  releasedAt?: number
  /** Unix seconds; when the registry first saw it. By default `releasedAt` plus an hour. */
  publishedAt?: number
  defaultBranch?: boolean
}

/** A package of an upstream; a version may be given by its name alone. */
export interface UpstreamPackage {
  name: string
  description?: string
  /** `library` by default. A `metapackage` has no archives. */
  type?: string
  versions: readonly (UpstreamVersion | string)[]
  /** True, or the name of the package that replaces it. */
  abandoned?: true | string
}

/** A version with all that servers say about it. */
export interface Release {
  name: string
  type: string
  version: string
  normalized: string
  stability: Stability
  defaultBranch: boolean
  /** Unix seconds. */
  releasedAt: number
  /** Unix seconds. */
  publishedAt: number
  /** A commit: 40 hexadecimal digits that depend on name, version and content. */
  reference: string
  /** Its composer.json, without a version. */
  manifest: Record<string, unknown>
  files: Record<string, string>
}

/** A zip with its sha1 in hexadecimal digits, as `dist.shasum` has it. */
export interface Archive {
  bytes: Buffer<ArrayBuffer>
  sha1: string
}

/** 2024-01-01T00:00:00Z: the first release of a package happens then, each next one a day later. */
export const FIRST_RELEASE_AT = 1_704_067_200

/** What an upstream makes of one version; `position` is its place in the list of versions. */
export function releaseOf(
  owner: Omit<UpstreamPackage, 'versions'>,
  given: UpstreamVersion | string,
  position = 0,
): Release {
  const version = typeof given === 'string' ? { version: given } : given
  const normalized = normalizeVersion(version.version)
  if (normalized === null) throw new Error(`${version.version} is no version that a registry would publish`)
  const { name, type = 'library', description = `Library ${name}` } = owner
  const manifest = {
    name,
    description,
    type,
    license: ['MIT'],
    autoload: { 'psr-4': { [`${namespaceOf(name)}\\`]: 'src/' } },
    ...version.manifest,
  }
  const files = version.files ?? { 'src/Lib.php': classFile(name, version.version) }
  const releasedAt = version.releasedAt ?? FIRST_RELEASE_AT + position * 86_400
  return {
    name,
    type,
    version: version.version,
    normalized,
    stability: parseStability(version.version),
    defaultBranch: version.defaultBranch ?? false,
    releasedAt,
    publishedAt: version.publishedAt ?? releasedAt + 3600,
    reference: digest('sha1', JSON.stringify([name, version.version, manifest, files])),
    manifest,
    files,
  }
}

/** Every version of a package. */
export function releasesOf(owner: UpstreamPackage): Release[] {
  return owner.versions.map((version, position) => releaseOf(owner, version, position))
}

/**
 * The archive of a release, the same bytes each time. `wrapped`: everything in one directory and the commit as comment
 * of the zip, as from GitHub; `flat`: composer.json at the top, as Satis and Magento make them.
 */
export function archiveOf(release: Release, layout: 'wrapped' | 'flat'): Archive {
  const [vendor, name] = release.name.split('/')
  const prefix = layout === 'wrapped' ? `${vendor}-${name}-${release.reference.slice(0, 7)}/` : ''
  const entries: Entry[] = prefix === '' ? [] : [{ name: prefix, method: 0 }]
  const files = { 'composer.json': `${JSON.stringify(release.manifest, null, 4)}\n`, ...release.files }
  for (const [path, content] of Object.entries(files)) entries.push({ name: prefix + path, content })
  const bytes = zipOf(entries, layout === 'wrapped' ? { comment: Buffer.from(release.reference) } : {})
  return { bytes, sha1: digest('sha1', bytes) }
}

/** `count` packages `vendor/package-1` … with one stable version each, whose archives have about `kilobytes`. */
export function manyPackages(count: number, { vendor = 'many', kilobytes = 20 } = {}): UpstreamPackage[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${vendor}/package-${index + 1}`
    const files = { 'src/Lib.php': classFile(name, '1.0.0'), 'data.txt': noise(name, kilobytes) }
    return { name, versions: [{ version: '1.0.0', files }] }
  })
}

/** A hexadecimal digest. */
export function digest(algorithm: 'sha1' | 'sha256', content: string | Uint8Array): string {
  return createHash(algorithm).update(content).digest('hex')
}

/** RFC 3339 with the zone that Packagist writes. */
export function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, '+00:00')
}

function classFile(name: string, version: string): string {
  return `<?php\n\nnamespace ${namespaceOf(name)};\n\nfinal class Lib\n{\n    public const VERSION = '${version}';\n}\n`
}

/** `acme/some-lib` has `Acme\SomeLib`. */
function namespaceOf(name: string): string {
  const words = (part: string) => part.replace(/(?:^|[^a-z0-9]+)([a-z0-9])/g, (_, letter) => letter.toUpperCase())
  return name.split('/').map(words).join('\\')
}

/** Text that no compressor makes smaller than about half; the same for the same seed. */
function noise(seed: string, kilobytes: number): string {
  const lines: string[] = []
  for (let index = 0; index < kilobytes * 32; index += 1) lines.push(digest('sha256', `${seed} ${index}`))
  return lines.join('')
}
