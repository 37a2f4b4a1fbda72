import type { UpstreamAnswer, UpstreamRequest } from './http-connection.ts'
import { archiveOf, digest, type Release, rfc3339, type UpstreamPackage, type UpstreamVersion } from './packages.ts'
import { type PublishedPackage, PublishedPackages } from './published.ts'
import { StaticFiles } from './static-files.ts'
import { UpstreamServer, type UpstreamServerOptions } from './upstream-server.ts'

/** What a Satis has, and how it was built. */
export interface SatisOptions extends UpstreamServerOptions {
  packages?: readonly UpstreamPackage[]
  /**
   * `inline`: all versions in packages.json; `includes`: in files that it names with their sha1, as Satis wrote for
   * Composer 1; `providers`: a file per package, named by its sha256; `metadata`: includes, and `metadata-url` with `available-packages` beside them, as it writes today.
   * Default `metadata`.
   */
  form?: 'inline' | 'includes' | 'providers' | 'metadata'
  /** Path of the repository on its host, `/team` for instance; the root by default. */
  basePath?: string
  /** `archive.checksum`: whether `dist` has a shasum. Default true. */
  checksum?: boolean
  /** Keys of packages.json beside or instead of the usual ones: `mirrors`, `notify-batch`, … */
  root?: Readonly<Record<string, unknown>>
}

/** A stand-in for a directory that Satis has built, behind a plain web server. */
export class Satis extends UpstreamServer {
  private readonly files = new StaticFiles()
  private readonly packages: PublishedPackages

  constructor(private readonly settings: SatisOptions) {
    super(settings)
    this.packages = new PublishedPackages(settings.packages ?? [])
  }

  /** Starts the server and builds. */
  override async start(): Promise<void> {
    await super.start()
    this.build()
  }

  /** Address of the repository, without a trailing slash: what users write in composer.json. */
  get repositoryUrl(): string {
    return this.url + this.basePath
  }

  /** Adds a version, or a package with it, and builds; a version there is gets replaced. */
  publish(name: string, version: UpstreamVersion | string): void {
    this.packages.publish(name, version)
    this.build()
  }

  /** Removes a version and builds; its archive stays. */
  removeVersion(name: string, version: string): void {
    this.packages.removeVersion(name, version)
    this.build()
  }

  /** Removes a package and builds; its archives stay. */
  remove(name: string): void {
    this.packages.remove(name)
    this.build()
  }

  protected override handle(request: UpstreamRequest): UpstreamAnswer {
    return this.files.answer(request)
  }

  private get basePath(): string {
    return this.settings.basePath ?? ''
  }

  /** Writes every file and removes those of the build before. satis: `PackagesBuilder::dump`. */
  private build(): void {
    const { form = 'metadata' } = this.settings
    const packages = Object.fromEntries(
      this.packages.all().map((each) => {
        const versions = each.releases.map((release) => [release.version, this.entry(release, each)])
        return [each.owner.name, Object.fromEntries(versions)]
      }),
    )
    const written = new Map<string, string>()
    const root: Record<string, unknown> = { packages: form === 'inline' ? packages : [] }
    if (form === 'includes' || form === 'metadata') {
      const all = pretty({ packages })
      const sha1 = digest('sha1', all)
      written.set(`include/all$${sha1}.json`, all)
      root.includes = { [`include/all$${sha1}.json`]: { sha1 } }
    }
    if (form === 'providers') {
      root['providers-url'] = `${this.basePath}/p/%package%$%hash%.json`
      root.providers = this.writeProviders(packages, written)
    }
    if (form === 'metadata') {
      for (const each of this.packages.all()) this.writeLazy(each, written)
      root['metadata-url'] = `${this.basePath}/p2/%package%.json`
      root['available-packages'] = Object.keys(packages)
    }
    this.put(written.set('packages.json', pretty({ ...root, ...this.settings.root })))
  }

  /** A file per package, in which every version has a number of its own; gives what the root says of them. */
  private writeProviders(
    packages: Readonly<Record<string, Readonly<Record<string, object>>>>,
    written: Map<string, string>,
  ): Record<string, { sha256: string }> {
    const providers: Record<string, { sha256: string }> = {}
    let uid = 0
    for (const [name, versions] of Object.entries(packages)) {
      const numbered = Object.entries(versions).map(([version, entry]) => {
        uid += 1
        return [version, { ...entry, uid }]
      })
      const body = pretty({ packages: { [name]: Object.fromEntries(numbered) } })
      const sha256 = digest('sha256', body)
      written.set(`p/${name}$${sha256}.json`, body)
      providers[name] = { sha256 }
    }
    return providers
  }

  /** Both files of a package, not minified. */
  private writeLazy(each: PublishedPackage, written: Map<string, string>): void {
    const { name } = each.owner
    for (const dev of [false, true]) {
      const releases = each.releases.filter(({ stability }) => (stability === 'dev') === dev)
      const body = pretty({ packages: { [name]: releases.map((release) => this.entry(release, each)) } })
      written.set(`p2/${name}${dev ? '~dev' : ''}.json`, body)
    }
  }

  private put(written: ReadonlyMap<string, string>): void {
    const paths = new Set([...written.keys()].map((path) => `${this.basePath}/${path}`))
    for (const [path, body] of written) this.files.put(`${this.basePath}/${path}`, body)
    for (const folder of ['include', 'p', 'p2']) this.files.prune(`${this.basePath}/${folder}/`, paths)
  }

  /** A version as Composer's `ArrayDumper` writes it, with an archive in `dist/`. satis: `ArchiveBuilder`. */
  private entry(release: Release, { owner }: PublishedPackage): Record<string, unknown> {
    const { name, version, normalized, reference, manifest } = release
    const { description, license, autoload, type, ...links } = manifest
    return {
      name,
      version,
      version_normalized: normalized,
      ...(type === 'metapackage' ? {} : this.located(release)),
      ...links,
      time: rfc3339(release.releasedAt),
      ...(release.defaultBranch ? { 'default-branch': true } : {}),
      type,
      autoload,
      license,
      description,
      support: { source: `https://git.example.com/${name}/tree/${reference}` },
      ...(owner.abandoned === undefined ? {} : { abandoned: owner.abandoned }),
    }
  }

  private located(release: Release): object {
    const { name, normalized, reference } = release
    const archive = archiveOf(release, 'flat')
    const file = `${name.replace('/', '-')}-${normalized.replaceAll('/', '-')}-zip-${reference.slice(0, 6)}.zip`
    const path = `${this.basePath}/dist/${name}/${file}`
    this.files.put(path, archive.bytes)
    const checksum = this.settings.checksum === false ? {} : { shasum: archive.sha1 }
    return {
      source: { type: 'git', url: `https://git.example.com/${name}.git`, reference },
      dist: { type: 'zip', url: this.url + path, reference, ...checksum },
    }
  }
}

/** Starts a Satis-like upstream. */
export async function startSatis(options: SatisOptions = {}): Promise<Satis> {
  const satis = new Satis(options)
  await satis.start()
  return satis
}

/** As Composer's `JsonFile` writes. */
function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 4)}\n`
}
