/** What must be true of one package of a git repository after its last sync. */
export class GitPackageModel {
  /** Tags in git now, with their commits. */
  readonly tags = new Map<string, string>()
  /** Commit of the branch `main` in git now. */
  head = ''
  /** Versions that were ever offered: the commit that each was published from, and whether it is offered. */
  readonly versions = new Map<string, { readonly reference: string; offered: boolean }>()
  /** Commit of `dev-main` as of the last sync. */
  branch = ''
  /** Every commit that was ever offered, which lock files may name. */
  readonly references = new Set<string>()

  constructor(
    readonly name: string,
    readonly repositoryId: string,
  ) {}

  /** A sync read what git has now. */
  synced(): void {
    for (const [tag, commit] of this.tags) {
      const known = this.versions.get(tag)
      if (known === undefined) {
        this.versions.set(tag, { reference: commit, offered: true })
        this.references.add(commit)
      } else if (known.reference === commit) {
        known.offered = true
      }
    }
    for (const [tag, version] of this.versions) if (!this.tags.has(tag)) version.offered = false
    this.branch = this.head
    this.references.add(this.head)
  }

  /** What clients see: version to commit, the branch included. */
  offered(): Map<string, string> {
    const seen = new Map(
      [...this.versions].flatMap(([tag, version]) => (version.offered ? [[tag, version.reference]] : [])),
    )
    return seen.set('dev-main', this.branch)
  }
}

/** A token that was made, and what must be true of it. */
export interface TokenModel {
  readonly id: string
  value: string
  /** Values that opened once and must not any more. */
  readonly dead: string[]
  alive: boolean
}

/** Everything that must be true. */
export class Model {
  readonly packages: GitPackageModel[] = []
  /** Uploaded versions with the SHA-256 of their bytes. */
  readonly uploads = new Map<string, string>()
  readonly tokens: TokenModel[] = []
  /** SHA-256 of every archive that was ever downloaded, by package and reference. */
  readonly archives = new Map<string, string>()
}
