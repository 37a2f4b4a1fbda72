/** A tag or branch and the commit it names, annotated tags peeled. */
export interface OfferedRef {
  kind: 'tag' | 'branch'
  /** Without `refs/tags/` or `refs/heads/`. */
  name: string
  /** Object id of the commit. */
  commit: string
}

/** `refs/tags/…` or `refs/heads/…`. */
export function fullRefName(ref: OfferedRef): string {
  return `refs/${ref.kind === 'tag' ? 'tags' : 'heads'}/${ref.name}`
}

/** The refs of one kind in git's order: by the bytes of their names. Where two refs mean one version, the first wins. */
export function refsInOrder(refs: readonly OfferedRef[], kind: OfferedRef['kind']): OfferedRef[] {
  return refs.filter((ref) => ref.kind === kind).sort((left, right) => compareBytes(left.name, right.name))
}

/** Orders texts as their UTF-8 bytes do, which differs from UTF-16 order beyond the basic plane. */
function compareBytes(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const difference = byteOrder(left.charCodeAt(index)) - byteOrder(right.charCodeAt(index))
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

/** Moves surrogates, which encode the highest characters, behind all other units. */
function byteOrder(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
