import { isAppError, messageOf } from '../errors.ts'
import type { Pacer } from '../pacer.ts'
import { gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import type { ObjectStore } from './object-store.ts'
import { MODE_EXECUTABLE, MODE_FILE, MODE_TREE } from './objects.ts'
import type { GlobState, PathGlobs } from './path-globs.ts'
import type { ObjectId } from './snapshot.ts'

/** A file that globs name. `path` has one character per byte. */
export interface FoundPath {
  readonly path: string
  readonly blob: ObjectId
}

/** What was found below one root tree, in the order of paths; or why it cannot be said, in one sentence. */
export type FoundPaths =
  | { readonly kind: 'found'; readonly paths: readonly FoundPath[] }
  | { readonly kind: 'too_many'; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string }

/** A directory with what the globs want below it. */
interface Place {
  readonly tree: ObjectId
  readonly state: GlobState
  readonly above: Place[]
  readonly files: { readonly name: string; readonly id: ObjectId }[]
  readonly below: { readonly name: string; readonly place: Place }[]
  fault: string | null
  /** Something is found, or broken, here or below. */
  isWorthALook: boolean
}

/**
 * Finds the files that globs name below many root trees, level by level, so that each level of all of them is one
 * request. Hundreds of commits share most directories: equal ones are looked at once.
 */
export class PathWalk {
  readonly #globs: PathGlobs
  readonly #store: ObjectStore
  readonly #limits: GitLimits
  readonly #pacer: Pacer
  readonly #places = new Map<string, Place>()
  readonly #found = new Map<ObjectId, FoundPaths>()
  /** True when `run` failed because there are too many directories for one walk. */
  overflowed = false

  constructor(globs: PathGlobs, store: ObjectStore, limits: GitLimits, pacer: Pacer) {
    this.#globs = globs
    this.#store = store
    this.#limits = limits
    this.#pacer = pacer
  }

  /** Looks at every directory that can matter; `bring` has those trees come that are not there. */
  async run(roots: Iterable<ObjectId>, bring: (trees: readonly ObjectId[]) => Promise<void>): Promise<void> {
    let level: Place[] = []
    for (const tree of roots) this.#reach(tree, this.#globs.start, level)
    for (let depth = 0; level.length > 0 && depth <= this.#limits.globDepth; depth++) {
      await bring(level.map(({ tree }) => tree))
      const next: Place[] = []
      for (const place of level) {
        this.#look(place, next)
        if (this.#pacer.due()) await this.#pacer.rest()
      }
      level = next
    }
    this.#mark()
  }

  /** What was found below a root tree. */
  below(root: ObjectId): FoundPaths {
    const known = this.#found.get(root)
    if (known !== undefined) return known
    const found = this.#collect(root)
    this.#found.set(root, found)
    return found
  }

  /** The place of a directory; one that is new is looked at on the level that it was reached on first. */
  #reach(tree: ObjectId, state: GlobState, level: Place[]): Place {
    const key = `${state.id} ${tree}`
    const known = this.#places.get(key)
    if (known !== undefined) return known
    if (this.#places.size >= this.#limits.globDirectories) {
      this.overflowed = true
      throw gitFailure(
        'too_large',
        `The globs of paths lead into more than ${this.#limits.globDirectories} directories.`,
      )
    }
    const place: Place = { tree, state, above: [], files: [], below: [], fault: null, isWorthALook: false }
    this.#places.set(key, place)
    level.push(place)
    return place
  }

  #look(place: Place, next: Place[]): void {
    try {
      for (const { mode, name, id } of this.#store.entries(place.tree)) {
        if (mode === MODE_TREE) {
          const state = this.#globs.enter(place.state, name)
          if (state === null) continue
          const below = this.#reach(id, state, next)
          below.above.push(place)
          place.below.push({ name, place: below })
        } else if ((mode === MODE_FILE || mode === MODE_EXECUTABLE) && this.#globs.names(place.state, name)) {
          place.files.push({ name, id })
        }
      }
    } catch (error) {
      if (this.overflowed || !isAppError(error)) throw error
      place.fault = messageOf(error)
    }
  }

  /** Upwards from what was found, without recursion: trees of different commits can make long chains together. */
  #mark(): void {
    const pending = [...this.#places.values()].filter(({ files, fault }) => files.length > 0 || fault !== null)
    for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
      if (place.isWorthALook) continue
      place.isWorthALook = true
      for (const parent of place.above) pending.push(parent)
    }
  }

  #collect(root: ObjectId): FoundPaths {
    const start = this.#places.get(`${this.#globs.start.id} ${root}`)
    const paths: FoundPath[] = []
    const pending = start?.isWorthALook ? [{ prefix: '', place: start, depth: 0 }] : []
    let visits = 0
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { prefix, place, depth } = next
      if (place.fault !== null) return { kind: 'broken', reason: place.fault }
      for (const { name, id } of place.files) paths.push({ path: prefix + name, blob: id })
      if (paths.length > this.#limits.globFiles || ++visits > this.#limits.treeEntries) {
        return { kind: 'too_many', reason: `The globs of paths name more than ${this.#limits.globFiles} files.` }
      }
      if (depth === this.#limits.globDepth) continue
      for (const { name, place: below } of place.below) {
        if (below.isWorthALook) pending.push({ prefix: `${prefix}${name}/`, place: below, depth: depth + 1 })
      }
    }
    return { kind: 'found', paths: paths.sort((a, b) => (directoryOf(a.path) < directoryOf(b.path) ? -1 : 1)) }
  }
}

/** The part of a path before its last slash. */
export function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
