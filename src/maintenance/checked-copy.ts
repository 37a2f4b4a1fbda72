import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Bytes of a file from `start` on; all of it when `size` is left out. */
export interface FilePart {
  readonly file: string
  readonly start?: number
  /** Bytes. */
  readonly size?: number
}

/** Size in bytes and digests in lower-case hexadecimal. */
export interface Digests {
  readonly size: number
  readonly sha1: string
  readonly sha256: string
}

const PIECE_BYTES = 1_048_576

/**
 * Reads a part of a file, links not followed, and hands on what it reads piece by piece. A part that ends early has
 * fewer bytes than asked for. Throws system errors as they are.
 */
export async function readPart(part: FilePart, sink?: (piece: Uint8Array) => Promise<void>): Promise<Digests> {
  const handle = await open(part.file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const hashes = [createHash('sha1'), createHash('sha256')] as const
    const buffer = Buffer.allocUnsafe(PIECE_BYTES)
    const start = part.start ?? 0
    let size = 0
    for (;;) {
      const wanted = Math.min(PIECE_BYTES, (part.size ?? Number.POSITIVE_INFINITY) - size)
      const { bytesRead } = await handle.read(buffer, 0, wanted, start + size)
      if (bytesRead === 0) return { size, sha1: hashes[0].digest('hex'), sha256: hashes[1].digest('hex') }
      size += bytesRead
      const piece = buffer.subarray(0, bytesRead)
      for (const hash of hashes) hash.update(piece)
      await sink?.(piece)
    }
  } finally {
    await handle.close()
  }
}

/** Writes all of a piece. A full disk may take a part of it without an error. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at)
    if (bytesWritten === 0) throw Object.assign(new Error('The disk took no bytes.'), { code: 'ENOSPC' })
    at += bytesWritten
  }
}

/** Copies a part of a file into a new one of this user alone, durably. The name is made durable by `syncDirectory`. */
export async function copyPart(part: FilePart, to: string): Promise<Digests> {
  const handle = await open(to, 'wx', 0o600)
  try {
    let at = 0
    const digests = await readPart(part, async (piece) => {
      await writeAll(handle, piece, at)
      at += piece.length
    })
    await handle.sync()
    return digests
  } finally {
    await handle.close()
  }
}

/** Writes a small file whole and durably; it must not exist. */
export async function writeNew(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await writeAll(handle, Buffer.from(text), 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
