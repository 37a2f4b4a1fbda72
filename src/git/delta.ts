import { gitFailure } from './failure.ts'

/** The two sizes at the beginning of a delta (`git: gitformat-pack`, deltified representation). */
export interface DeltaHeader {
  readonly sourceSize: number
  readonly targetSize: number
  /** Where the instructions begin. */
  readonly at: number
}

/** Reads the sizes. Throws `protocol` when they are cut off or beyond 2^48. */
export function parseDeltaHeader(delta: Uint8Array): DeltaHeader {
  const source = varint(delta, 0)
  const target = varint(delta, source.at)
  return { sourceSize: source.value, targetSize: target.value, at: target.at }
}

function varint(bytes: Uint8Array, start: number): { value: number; at: number } {
  let value = 0
  for (let index = 0; index < 7; index++) {
    const byte = bytes[start + index]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, at: start + index + 1 }
  }
  throw brokenDelta()
}

/**
 * Rebuilds an object from its base. The caller has checked `targetSize` against its limit; nothing beyond that many
 * bytes is written. Throws `protocol` when the delta does not fit the base or does not fill the target exactly.
 */
export function applyDelta(base: Uint8Array, delta: Uint8Array): Uint8Array {
  const header = parseDeltaHeader(delta)
  if (header.sourceSize !== base.length) throw brokenDelta()
  const target = new Uint8Array(header.targetSize)
  let at = header.at
  let written = 0
  while (at < delta.length) {
    const command = delta[at++] ?? 0
    if (command >= 0x80) {
      const offset = littleEndian(delta, at, command & 0x0f)
      at += bitCount(command & 0x0f)
      const size = littleEndian(delta, at, (command >> 4) & 0x07) || 0x10000
      at += bitCount((command >> 4) & 0x07)
      if (at > delta.length || offset + size > base.length || written + size > target.length) throw brokenDelta()
      target.set(base.subarray(offset, offset + size), written)
      written += size
    } else {
      if (command === 0 || at + command > delta.length || written + command > target.length) throw brokenDelta()
      target.set(delta.subarray(at, at + command), written)
      at += command
      written += command
    }
  }
  if (written !== target.length) throw brokenDelta()
  return target
}

/** A number of which only the bytes named by `bits` are present, lowest first. */
function littleEndian(bytes: Uint8Array, start: number, bits: number): number {
  let value = 0
  let at = start
  for (let index = 0; index < 4; index++) {
    if ((bits & (1 << index)) !== 0) value += (bytes[at++] ?? 0) * 2 ** (8 * index)
  }
  return value
}

function bitCount(bits: number): number {
  return (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1) + ((bits >> 3) & 1)
}

function brokenDelta(): Error {
  return gitFailure('protocol', 'A delta in the pack of the git server is broken.')
}
