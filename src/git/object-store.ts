import { gitFailure } from './failure.ts'
import { type Commit, EMPTY_TREE, type ObjectType, parseCommit, parseTree, type TreeEntry } from './objects.ts'
import type { Pack } from './pack.ts'
import type { ObjectId } from './snapshot.ts'

/** The packs of one task, read as one. Trees that are asked for again are parsed once. */
export class ObjectStore {
  readonly #packs: Pack[] = []
  readonly #trees = new Map<ObjectId, readonly TreeEntry[]>([[EMPTY_TREE, []]])

  add(pack: Pack): void {
    this.#packs.push(pack)
  }

  /** The kind of an object; null when no pack has it. */
  typeOf(id: ObjectId): ObjectType | null {
    if (id === EMPTY_TREE) return 'tree'
    for (const pack of this.#packs) {
      const type = pack.typeOf(id)
      if (type !== null) return type
    }
    return null
  }

  /** Bytes of a blob. Throws `protocol` when the server did not send it, or as something else. */
  blobSize(id: ObjectId): number {
    return this.#packOf(id, 'blob').sizeOf(id) ?? 0
  }

  /** The content of a blob; fails as `blobSize` does. */
  blob(id: ObjectId): Uint8Array {
    return this.#read(id, 'blob')
  }

  /** The same without holding up the event loop when it is large. */
  async loadBlob(id: ObjectId): Promise<Uint8Array> {
    return (await this.#packOf(id, 'blob').load(id)) ?? new Uint8Array(0)
  }

  /** A commit; fails as `blobSize` does. */
  commit(id: ObjectId): Commit {
    return parseCommit(this.#read(id, 'commit'))
  }

  /** The entries of a tree; fails as `blobSize` does. */
  tree(id: ObjectId): readonly TreeEntry[] {
    const known = this.#trees.get(id)
    if (known !== undefined) return known
    const entries = parseTree(this.#read(id, 'tree'))
    this.#trees.set(id, entries)
    return entries
  }

  /** The same without keeping them, for a tree that is read once among very many. */
  entries(id: ObjectId): readonly TreeEntry[] {
    return this.#trees.get(id) ?? parseTree(this.#read(id, 'tree'))
  }

  #read(id: ObjectId, type: ObjectType): Uint8Array {
    return this.#packOf(id, type).read(id) ?? new Uint8Array(0)
  }

  #packOf(id: ObjectId, type: ObjectType): Pack {
    const pack = this.#packs.find((candidate) => candidate.typeOf(id) !== null)
    if (pack === undefined) throw gitFailure('missing', `The git server did not send ${type} ${id}.`)
    const found = pack.typeOf(id)
    if (found !== type) throw gitFailure('protocol', `Object ${id} of the repository is a ${found}, not a ${type}.`)
    return pack
  }
}
