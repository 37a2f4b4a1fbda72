import type { Pacer } from '../pacer.ts'
import type { AttributeFile, AttributeValue } from './attribute-rules.ts'
import { AttributeMatcher, type AttributeScope } from './attributes.ts'
import { cleanText, gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { MODE_SUBMODULE, MODE_TREE, type TreeEntry } from './objects.ts'
import type { ObjectId } from './snapshot.ts'

/** A file, symbolic link or submodule that an archive would hold. */
export interface WalkedEntry {
  /** From the root, one character per byte. */
  readonly path: string
  readonly mode: number
  readonly id: ObjectId
  readonly attributes: ReadonlyMap<string, AttributeValue>
}

/** The attributes that decide what an archive holds, and those that would change contents. */
const WANTED = ['export-ignore', 'export-subst', 'filter', 'eol', 'text', 'working-tree-encoding', 'ident']

interface Directory {
  readonly path: string
  readonly tree: ObjectId
  readonly depth: number
  readonly above: AttributeScope | null
}

/** The blobs of every `.gitattributes` below a tree. Each distinct tree is visited once. */
export async function attributeBlobs(root: ObjectId, store: ObjectStore, pacer: Pacer): Promise<Set<ObjectId>> {
  const blobs = new Set<ObjectId>()
  const seen = new Set([root])
  const pending = [root]
  for (let tree = pending.pop(); tree !== undefined; tree = pending.pop()) {
    for (const { mode, name, id } of store.tree(tree)) {
      if (mode === MODE_TREE && !seen.has(id)) {
        seen.add(id)
        pending.push(id)
      } else if (isAttributeFile(mode, name)) {
        blobs.add(id)
      }
    }
    if (pacer.due()) await pacer.rest()
  }
  return blobs
}

/** Git reads the blob from the tree also when it is a symbolic link: then its target is the text. */
function isAttributeFile(mode: number, name: string): boolean {
  return name === '.gitattributes' && mode !== MODE_TREE && mode !== MODE_SUBMODULE
}

/** Walks over the trees of one commit, leaving out what `export-ignore` names (`git: archive.c`). */
export class TreeWalk {
  readonly #store: ObjectStore
  readonly #files: ReadonlyMap<ObjectId, AttributeFile>
  readonly #limits: GitLimits
  readonly #matcher: AttributeMatcher
  readonly #root: ObjectId
  readonly #found: WalkedEntry[] = []
  #entries = 0

  /** `files`: the parsed content of the blobs that `attributeBlobs` found. */
  constructor(root: ObjectId, store: ObjectStore, files: ReadonlyMap<ObjectId, AttributeFile>, limits: GitLimits) {
    this.#root = root
    this.#store = store
    this.#files = files
    this.#limits = limits
    const rootFile = this.#attributeFile(store.tree(root))
    this.#matcher = new AttributeMatcher(rootFile, WANTED, { steps: limits.attributeSteps })
  }

  /** Everything that an archive holds, in no particular order. Throws `too_large` beyond a limit. */
  async run(pacer: Pacer): Promise<WalkedEntry[]> {
    const pending: Directory[] = [{ path: '', tree: this.#root, depth: 0, above: null }]
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const entries = this.#store.tree(directory.tree)
      const file = this.#attributeFile(entries)
      const scope = file === null ? directory.above : this.#matcher.scope(directory.above, directory.path, file)
      for (const entry of entries) {
        const child = this.#visit(entry, directory, scope)
        if (child !== null) pending.push(child)
        if (pacer.due()) await pacer.rest()
      }
    }
    return this.#found
  }

  #visit(entry: TreeEntry, directory: Directory, scope: AttributeScope | null): Directory | null {
    const path = directory.path === '' ? entry.name : `${directory.path}/${entry.name}`
    this.#checkLimits(path, directory.depth)
    const isDirectory = entry.mode === MODE_TREE
    const attributes = this.#matcher.attributesOf(path, isDirectory, scope)
    if (attributes.get('export-ignore') === true) return null
    if (isDirectory) return { path, tree: entry.id, depth: directory.depth + 1, above: scope }
    this.#found.push({ path, mode: entry.mode, id: entry.id, attributes })
    return null
  }

  #checkLimits(path: string, depth: number): void {
    if (++this.#entries > this.#limits.treeEntries) {
      throw gitFailure('too_large', `The commit has more than ${this.#limits.treeEntries} files and directories.`)
    }
    if (path.length > this.#limits.pathBytes || depth > this.#limits.treeDepth) {
      throw gitFailure('too_large', `The commit has a path beyond the limit: ${shownPath(path.slice(0, 100))}…`)
    }
  }

  #attributeFile(entries: readonly TreeEntry[]): AttributeFile | null {
    const entry = entries.find(({ mode, name }) => isAttributeFile(mode, name))
    return entry === undefined ? null : (this.#files.get(entry.id) ?? null)
  }
}

/** A path of one character per byte, for a sentence. */
export function shownPath(path: string): string {
  return cleanText(Buffer.from(path, 'latin1').toString('utf8'))
}

/** True for what has no content of its own in the repository. */
export function isSubmodule(entry: WalkedEntry): boolean {
  return entry.mode === MODE_SUBMODULE
}
