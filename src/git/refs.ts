import { cleanText, gitFailure } from './failure.ts'
import type { GitLimits } from './limits.ts'
import { DELIM_PKT, FLUSH_PKT, type PktReader, pktLine } from './pkt-line.ts'
import type { ObjectId } from './snapshot.ts'

/** A tag or branch. */
export interface GitRef {
  /** Full name: `refs/tags/v1.0.0` or `refs/heads/main`. */
  readonly name: string
  /** What the ref holds; for an annotated tag the tag object. */
  readonly objectId: ObjectId
  /** What it means after following tag objects. Usually a commit; a tag may also name a tree or a blob. */
  readonly commit: ObjectId
}

/** Everything a server offers, in the server's order. */
export interface RefList {
  /** HEAD; null in an empty repository or when HEAD names a branch that does not exist. */
  readonly head: { readonly name: string | null; readonly commit: ObjectId } | null
  readonly refs: readonly GitRef[]
  /** Refs left out, because their names cannot be used: no UTF-8, or forbidden by `git check-ref-format`. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
}

/** The packets that ask for HEAD, branches and tags with peeled tags (`git: protocol-v2`, ls-refs). */
export function lsRefsRequest(capabilityLines: string): Uint8Array {
  const lines = ['peel', 'symrefs', 'ref-prefix HEAD', 'ref-prefix refs/heads/', 'ref-prefix refs/tags/']
  const body = lines.map(pktLine).join('')
  return Buffer.from(`${pktLine('command=ls-refs')}${capabilityLines}${DELIM_PKT}${body}${FLUSH_PKT}`)
}

/** Reads the answer to its flush packet. Fails with `protocol` or `too_large`. */
export async function readRefs(reader: PktReader, limits: GitLimits): Promise<RefList> {
  const lists = new RefCollector()
  for (let count = 0; ; count++) {
    const packet = await reader.next()
    if (packet === 'flush') return lists.result()
    if (typeof packet === 'string') throw gitFailure('protocol', "The git server's list of refs is incomplete.")
    if (count >= limits.refs) throw gitFailure('too_large', `The repository has more than ${limits.refs} refs.`)
    lists.add(packet)
  }
}

const OBJECT_ID = /^[0-9a-f]{40}$/

/** True for 40 lower-case hexadecimal digits. */
export function isObjectId(text: string): text is ObjectId {
  return OBJECT_ID.test(text)
}

class RefCollector {
  readonly #refs = new Map<string, GitRef>()
  readonly #skipped: { name: string; reason: string }[] = []
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #head: RefList['head'] = null

  add(packet: Uint8Array): void {
    const line = this.#decode(packet)
    if (line === null) return
    const [id = '', name = '', ...attributes] = line.split(' ')
    if (id === 'unborn') return
    if (!isObjectId(id) || name === '')
      throw gitFailure('protocol', "A line of the git server's list of refs is broken.")
    const value = (key: string) => attributes.find((attribute) => attribute.startsWith(key))?.slice(key.length)
    const commit = value('peeled:') ?? id
    if (!isObjectId(commit)) throw gitFailure('protocol', "A line of the git server's list of refs is broken.")
    if (name === 'HEAD') {
      const target = value('symref-target:')
      this.#head = { name: target?.startsWith('refs/heads/') ? target : null, commit }
      return
    }
    if (!name.startsWith('refs/heads/') && !name.startsWith('refs/tags/')) return
    if (!isRefName(name)) this.#skipped.push({ name: cleanText(name), reason: 'Git forbids this name.' })
    else if (!this.#refs.has(name)) this.#refs.set(name, { name, objectId: id, commit })
  }

  #decode(packet: Uint8Array): string | null {
    const bytes = packet.at(-1) === 0x0a ? packet.subarray(0, -1) : packet
    try {
      return this.#decoder.decode(bytes)
    } catch {
      const name = Buffer.from(bytes).toString('utf8').split(' ')[1] ?? ''
      this.#skipped.push({ name: cleanText(name), reason: 'The name is not in UTF-8.' })
      return null
    }
  }

  result(): RefList {
    return { head: this.#head, refs: [...this.#refs.values()], skipped: this.#skipped }
  }
}

/** The rules of `git check-ref-format` for a full name. */
function isRefName(name: string): boolean {
  if (name.length > 1000 || name.includes('..') || name.includes('@{') || name.endsWith('.')) return false
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0
    if (code <= 0x20 || code === 0x7f || '~^:?*[\\'.includes(character)) return false
  }
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
}
