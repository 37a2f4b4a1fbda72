import type { UpstreamAnswer, UpstreamRequest } from './http-connection.ts'
import { archiveOf, digest, type Release, type UpstreamPackage, type UpstreamVersion } from './packages.ts'
import { PublishedPackages } from './published.ts'
import { StaticFiles } from './static-files.ts'
import { UpstreamServer, type UpstreamServerOptions } from './upstream-server.ts'

/** What a Magento-like upstream has, and how it behaves. */
export interface MagentoOptions extends UpstreamServerOptions {
  packages?: readonly UpstreamPackage[]
  /** Names that the list of the paid edition has instead of the free one's. */
  enterprise?: readonly string[]
}

/**
 * A stand-in for repo.magento.com: lists and packages of Composer 1, in files named by their sha256, and archives that
 * have a sha1 and no reference. There is no `metadata-url`, and versions have no `time`.
 */
export class Magento extends UpstreamServer {
  private readonly files = new StaticFiles()
  private readonly uids = new Map<string, number>()
  private readonly packages: PublishedPackages

  constructor(private readonly settings: MagentoOptions) {
    super({ gzip: true, ...settings })
    this.packages = new PublishedPackages(settings.packages ?? [])
  }

  /** Starts the server and writes its files. */
  override async start(): Promise<void> {
    await super.start()
    this.write()
  }

  /** Adds a version, or a package with it. For a version there is, the archive changes at its old address. */
  publish(name: string, version: UpstreamVersion | string): void {
    this.packages.publish(name, version)
    this.write()
  }

  /** Removes a package from the lists; files named by their hash stay. */
  remove(name: string): void {
    this.packages.remove(name)
    this.write()
  }

  protected override handle(request: UpstreamRequest): UpstreamAnswer {
    return this.files.answer(request)
  }

  /** Files named by a hash never change, so those of earlier states stay where they are. */
  private write(): void {
    const lists: Record<'ce' | 'ee', Record<string, { sha256: string }>> = { ce: {}, ee: {} }
    for (const { owner, releases } of this.packages.all()) {
      const versions = releases.map((release) => [release.version, this.entry(release)])
      const body = JSON.stringify({ packages: { [owner.name]: Object.fromEntries(versions) } })
      const edition = this.settings.enterprise?.includes(owner.name) ? 'ee' : 'ce'
      lists[edition][owner.name] = { sha256: this.putHashed(`/p/${owner.name}`, body) }
    }
    const includes: Record<string, { sha256: string }> = {}
    for (const [edition, providers] of Object.entries(lists)) {
      const sha256 = this.putHashed(`/p/provider-${edition}`, JSON.stringify({ providers }))
      includes[`p/provider-${edition}$%hash%.json`] = { sha256 }
    }
    const root = { packages: [], 'providers-url': '/p/%package%$%hash%.json', 'provider-includes': includes }
    this.files.put('/packages.json', JSON.stringify(root))
  }

  private putHashed(path: string, body: string): string {
    const sha256 = digest('sha256', body)
    this.files.put(`${path}$${sha256}.json`, body)
    return sha256
  }

  private entry(release: Release): Record<string, unknown> {
    const { name, version, normalized, manifest } = release
    const path = `/archives/${name}/${name.replace('/', '-')}-${normalized}.zip`
    const archive = archiveOf(release, 'flat')
    if (release.type !== 'metapackage') this.files.put(path, archive.bytes)
    const dist = { type: 'zip', url: this.url + path, reference: null, shasum: archive.sha1 }
    return {
      ...manifest,
      version,
      version_normalized: normalized,
      ...(release.type === 'metapackage' ? {} : { dist }),
      uid: this.uid(`${name} ${version}`),
    }
  }

  /** A number for each version, the same for ever. */
  private uid(key: string): number {
    const uid = this.uids.get(key) ?? this.uids.size + 1
    this.uids.set(key, uid)
    return uid
  }
}

/** Starts a Magento-like upstream. */
export async function startMagento(options: MagentoOptions = {}): Promise<Magento> {
  const magento = new Magento(options)
  await magento.start()
  return magento
}
