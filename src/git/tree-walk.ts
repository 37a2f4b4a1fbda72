import type { Pacer } from '../pacer.ts'
import type { AttributeFile, AttributeValue } from './attribute-rules.ts'
import { AttributeMatcher, type AttributeScope } from './attributes.ts'
import { cleanText, gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { EMPTY_TREE, MODE_SUBMODULE, MODE_TREE, type TreeEntry } from './objects.ts'
import type { ObjectId } from './snapshot.ts'

/** A file, symbolic link or submodule that an archive would hold. */
export interface WalkedEntry {
  /** From the directory that is packed, one character per byte. */
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

/** A directory and its tree; the path has one character per byte. */
export interface TreeAt {
  readonly path: string
  readonly tree: ObjectId
}

/** The root and the directories down to `path`, that one last. Throws `missing` when the commit has no such directory. */
export function directoriesTo(path: string, root: ObjectId, store: ObjectStore): TreeAt[] {
  const found: TreeAt[] = [{ path: '', tree: root }]
  let tree = root
  let walked = ''
  for (const name of path === '' ? [] : Buffer.from(path, 'utf8').toString('latin1').split('/')) {
    const entry = store.tree(tree).find((candidate) => candidate.name === name && candidate.mode === MODE_TREE)
    if (entry === undefined) throw gitFailure('missing', `The commit has no directory ${cleanText(path)}.`)
    tree = entry.id
    walked = walked === '' ? name : `${walked}/${name}`
    found.push({ path: walked, tree })
  }
  return found
}

/** The blobs of every `.gitattributes` that counts in the last of these directories. Each distinct tree is visited once. */
export async function attributeBlobs(
  directories: readonly TreeAt[],
  store: ObjectStore,
  pacer: Pacer,
): Promise<Set<ObjectId>> {
  const blobs = new Set<ObjectId>()
  for (const { tree } of directories.slice(0, -1)) {
    for (const { mode, name, id } of store.tree(tree)) if (isAttributeFile(mode, name)) blobs.add(id)
  }
  const pending = directories.slice(-1).map(({ tree }) => tree)
  const seen = new Set(pending)
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

/**
 * Walks over the trees of one commit, leaving out what `export-ignore` names (`git: archive.c`). Of a directory in it,
 * everything is as in an archive of the whole, with names from there on; only what is said of the directory itself, or
 * of one above, leaves nothing out: who keeps the packages of a repository out of its archive has them elsewhere.
 */
export class TreeWalk {
  readonly #store: ObjectStore
  readonly #files: ReadonlyMap<ObjectId, AttributeFile>
  readonly #limits: GitLimits
  readonly #matcher: AttributeMatcher
  readonly #directories: readonly TreeAt[]
  readonly #top: string
  readonly #found: WalkedEntry[] = []
  #entries = 0

  /**
   * `directories` as `directoriesTo` gives them, the one to walk last. `files`: the parsed content of the blobs that
   * `attributeBlobs` found.
   */
  constructor(
    directories: readonly TreeAt[],
    store: ObjectStore,
    files: ReadonlyMap<ObjectId, AttributeFile>,
    limits: GitLimits,
  ) {
    this.#directories = directories
    this.#top = directories.at(-1)?.path ?? ''
    this.#store = store
    this.#files = files
    this.#limits = limits
    const root = directories[0]
    const rootFile = root === undefined ? null : this.#attributeFile(store.tree(root.tree))
    this.#matcher = new AttributeMatcher(rootFile, WANTED, { steps: limits.attributeSteps })
  }

  /** Everything that an archive holds, in no particular order. Throws `too_large` beyond a limit. */
  async run(pacer: Pacer): Promise<WalkedEntry[]> {
    const pending = [this.#start()]
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const scope = this.#scope(directory)
      for (const entry of this.#store.tree(directory.tree)) {
        const child = this.#visit(entry, directory, scope)
        if (child !== null) pending.push(child)
        if (pacer.due()) await pacer.rest()
      }
    }
    return this.#found
  }

  #start(): Directory {
    let start: Directory = { path: '', tree: EMPTY_TREE, depth: 0, above: null }
    for (const [depth, { path, tree }] of this.#directories.entries()) {
      start = { path, tree, depth, above: depth === 0 ? null : this.#scope(start) }
    }
    return start
  }

  #scope({ path, tree, above }: Directory): AttributeScope | null {
    const file = this.#attributeFile(this.#store.tree(tree))
    return file === null ? above : this.#matcher.scope(above, path, file)
  }

  #visit(entry: TreeEntry, directory: Directory, scope: AttributeScope | null): Directory | null {
    const path = directory.path === '' ? entry.name : `${directory.path}/${entry.name}`
    this.#checkLimits(path, directory.depth)
    const isDirectory = entry.mode === MODE_TREE
    const attributes = this.#matcher.attributesOf(path, isDirectory, scope)
    if (attributes.get('export-ignore') === true) return null
    if (isDirectory) return { path, tree: entry.id, depth: directory.depth + 1, above: scope }
    const name = this.#top === '' ? path : path.slice(this.#top.length + 1)
    this.#found.push({ path: name, mode: entry.mode, id: entry.id, attributes })
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
