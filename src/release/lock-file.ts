/** A package as bun.lock pins it. */
export interface LockedPackage {
  readonly name: string
  readonly version: string
  /** `sha512-` and base64, of the file that the registry has. */
  readonly integrity: string
  /** Names of the packages it asks for, those that it only makes use of included. */
  readonly asksFor: readonly string[]
}

interface LockFile {
  readonly packages: Readonly<Record<string, readonly [string, string, Entry, string]>>
}

type Names = Readonly<Record<string, string>>

interface Entry {
  readonly dependencies?: Names
  readonly optionalDependencies?: Names
  readonly peerDependencies?: Names
}

/** bun.lock, read. */
export class Lock {
  private readonly packages: LockFile['packages']

  /** Throws when the text is none of bun.lock. */
  constructor(text: string) {
    this.packages = (Bun.JSONC.parse(text) as LockFile).packages
  }

  /** The package at a place: its name, behind the name of the one it is nested in. Throws when none is locked there. */
  at(place: string): LockedPackage {
    const [id, , entry, integrity] = this.packages[place] ?? []
    if (id === undefined || entry === undefined || integrity === undefined) throw new Error(`bun.lock lacks ${place}.`)
    const at = id.lastIndexOf('@')
    const { dependencies, optionalDependencies, peerDependencies } = entry
    const asksFor = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).sort()
    return { name: id.slice(0, at), version: id.slice(at + 1), integrity, asksFor }
  }
}
