import { orderVersions } from '../../../src/composer/version-order.ts'
import { type Release, rfc3339 } from './packages.ts'

/** An advisory as Packagist's API gives it. */
export interface UpstreamAdvisory {
  advisoryId: string
  packageName: string
  remoteId: string
  title: string
  link: string | null
  cve: string | null
  affectedVersions: string
  source: string
  sources: { name: string; remoteId: string }[]
  /** `Y-m-d H:i:s` in UTC. */
  reportedAt: string
  composerRepository: string
  severity: string | null
}

/** An entry of a filter list. */
export interface UpstreamFilterEntry {
  package: string
  constraint: string
  reason?: string
  url?: string
  id?: string
  source?: string
}

/** All that Packagist knows of one package. */
export interface Listing {
  name: string
  description: string
  type: string
  abandoned: boolean | string
  releases: Release[]
  advisories: UpstreamAdvisory[]
  /** Entries by the name of their list. */
  filters: Map<string, UpstreamFilterEntry[]>
}

/** packages.json. packagist: `V2Dumper::dumpRoot`; every address is absolute. */
export function rootDocument(url: string): Record<string, unknown> {
  return {
    packages: [],
    'notify-batch': `${url}/downloads/`,
    'providers-url': '/p/%package%$%hash%.json',
    'metadata-url': `${url}/p2/%package%.json`,
    'metadata-changes-url': `${url}/metadata/changes.json`,
    search: `${url}/search.json?q=%query%&type=%type%`,
    list: `${url}/packages/list.json`,
    'security-advisories': { metadata: true, 'api-url': `${url}/api/security-advisories/` },
    'providers-api': `${url}/providers/%package%.json`,
    warning: 'Support for Composer 1 has been shutdown. You should upgrade to Composer 2.',
    'warning-versions': '<1.999',
    providers: [],
    filter: {
      metadata: true,
      lists: { malware: { enabled: true } },
      'summary-url': `${url}/lists/all/summary.json`,
      'api-url': `${url}/api/filter-lists/`,
    },
  }
}

/**
 * One of the two files of a package: minified, newest first; advisories and filters only beside the stable versions.
 * packagist: `V2Dumper::dumpPackageToV2File`.
 */
export function packageDocument(listing: Listing, kind: 'stable' | 'dev', archiveUrl: string): string {
  const releases = listing.releases.filter(({ stability }) => (stability === 'dev') === (kind === 'dev'))
  const ordered = orderVersions(releases.map((release) => ({ ...release, versionNormalized: release.normalized })))
  const entries = ordered.map((release) => versionEntry(release, listing, archiveUrl))
  const document: Record<string, unknown> = { minified: 'composer/2.0', packages: { [listing.name]: minify(entries) } }
  if (kind === 'stable') {
    document['security-advisories'] = listing.advisories.map(({ advisoryId, affectedVersions }) => ({
      advisoryId,
      affectedVersions,
    }))
    if (listing.filters.size > 0) document.filter = Object.fromEntries(listing.filters)
  }
  return JSON.stringify(document)
}

/** Path of an archive below its host. */
export function zipballPath({ name, reference }: Release): string {
  return `/repos/${name}/zipball/${reference}`
}

/** One version in the order of keys that Packagist has. packagist: `Version::toV2Array`. */
function versionEntry(release: Release, listing: Listing, archiveUrl: string): Record<string, unknown> {
  const { name, version, normalized, reference, manifest } = release
  const home = `https://github.com/${name}`
  const { description, keywords = [], homepage = '', license, authors = [], type, autoload, ...links } = manifest
  const located =
    release.type === 'metapackage'
      ? { source: null, dist: null }
      : {
          source: { url: `${home}.git`, type: 'git', reference },
          dist: { url: `${archiveUrl}${zipballPath(release)}`, type: 'zip', shasum: '', reference },
        }
  return {
    name,
    description,
    keywords,
    homepage,
    version,
    version_normalized: normalized,
    license,
    authors,
    ...located,
    type,
    support: { issues: `${home}/issues`, source: `${home}/tree/${version}` },
    funding: [],
    time: rfc3339(release.releasedAt),
    'published-time': rfc3339(release.publishedAt),
    autoload,
    ...(release.defaultBranch ? { 'default-branch': true } : {}),
    ...links,
    ...(listing.abandoned === false ? {} : { abandoned: listing.abandoned }),
  }
}

/** The first entry whole, of each further one what differs; `__unset` for a key that is gone. */
function minify(entries: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  let before: Record<string, unknown> = {}
  return entries.map((entry) => {
    const changed: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(entry)) {
      if (JSON.stringify(value) !== JSON.stringify(before[key])) changed[key] = value
    }
    for (const key of Object.keys(before)) if (!(key in entry)) changed[key] = '__unset'
    before = entry
    return changed
  })
}
