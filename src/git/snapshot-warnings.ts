import { MODE_SYMLINK } from './objects.ts'
import { isSubmodule, shownPath, type WalkedEntry } from './tree-walk.ts'

const LFS_FIRST_LINE = Buffer.from('version https://git-lfs.github.com/spec/')
/** Pointers are shorter than 1024 bytes by definition (`git-lfs: spec`); the shortest has about 120. */
const LFS_SIZES = { least: 100, most: 1024 }

/** True when a blob of this size may be an LFS pointer. */
export function mayBeLfsPointer(size: number): boolean {
  return size >= LFS_SIZES.least && size < LFS_SIZES.most
}

/** True for the pointer that stands in a repository for a file kept by Git LFS. */
export function isLfsPointer(content: Uint8Array): boolean {
  return mayBeLfsPointer(content.length) && LFS_FIRST_LINE.compare(content.subarray(0, LFS_FIRST_LINE.length)) === 0
}

/** Collects what an archive cannot hold, or holds other than a work tree would; says each thing once, with a count. */
export class SnapshotWarnings {
  readonly #findings = new Map<string, { count: number; first: string }>()

  /** Notes what the attributes of an entry promise and an archive does not do. */
  note(entry: WalkedEntry): void {
    if (isSubmodule(entry)) this.#add('is a submodule and left out', entry)
    if (isSubmodule(entry) || entry.mode === MODE_SYMLINK) return
    const { attributes } = entry
    if (attributes.get('export-subst') === true) this.#add('has export-subst placeholders, kept as they are', entry)
    if (attributes.get('ident') === true) this.#add('has the ident attribute, $Id$ is kept as it is', entry)
    if (attributes.get('eol') === 'crlf' && attributes.get('text') !== false) {
      this.#add('should have CRLF line ends (eol=crlf), kept as stored', entry)
    }
    const encoding = attributes.get('working-tree-encoding')
    if (typeof encoding === 'string') this.#add('has a working-tree-encoding, kept in UTF-8', entry)
    const filter = attributes.get('filter')
    if (typeof filter === 'string' && filter !== 'lfs') this.#add('needs a content filter, kept as stored', entry)
  }

  /** Notes a file of which only the LFS pointer is in the repository. */
  noteLfsPointer(entry: WalkedEntry): void {
    this.#add('is a Git LFS pointer, its real content is not in the repository', entry)
  }

  /** One sentence for each kind of finding. */
  sentences(): string[] {
    return [...this.#findings].map(([finding, { count, first }]) => {
      const others = count === 1 ? '' : ` (and ${count - 1} more)`
      return `${first}${others} ${finding}.`
    })
  }

  #add(finding: string, entry: WalkedEntry): void {
    const known = this.#findings.get(finding)
    if (known === undefined) this.#findings.set(finding, { count: 1, first: shownPath(entry.path) })
    else known.count++
  }
}
