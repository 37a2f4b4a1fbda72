import { type Release, releaseOf, releasesOf, type UpstreamPackage, type UpstreamVersion } from './packages.ts'

/** A package with the versions that it has at the moment. */
export interface PublishedPackage {
  owner: Omit<UpstreamPackage, 'versions'>
  releases: Release[]
}

/** The packages of an upstream that writes all of its files anew when one of them changes. */
export class PublishedPackages {
  private readonly packages = new Map<string, PublishedPackage>()

  constructor(given: readonly UpstreamPackage[]) {
    for (const owner of given) this.packages.set(owner.name, { owner, releases: releasesOf(owner) })
  }

  all(): PublishedPackage[] {
    return [...this.packages.values()]
  }

  /** Adds a version, or a package with it; a version of the same name is replaced. */
  publish(name: string, version: UpstreamVersion | string): void {
    const { owner, releases } = this.packages.get(name) ?? { owner: { name }, releases: [] }
    const release = releaseOf(owner, version, releases.length)
    this.packages.set(name, {
      owner,
      releases: [...releases.filter((other) => other.version !== release.version), release],
    })
  }

  /** Removes one version of a package. */
  removeVersion(name: string, version: string): void {
    const entry = this.packages.get(name)
    if (entry !== undefined) entry.releases = entry.releases.filter((release) => release.version !== version)
  }

  remove(name: string): void {
    this.packages.delete(name)
  }
}
