import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'

const VERSION = 'v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Seals secrets at rest with AES-256-GCM, each bound to the place it is stored at. */
export interface SecretBox {
  /** The sealed text of `secret`. `place` names table, row and column: the text opens nowhere else. */
  seal(secret: string, place: string): string
  /** The secret again. Throws AppError('unavailable') when no key fits, the place differs, or a byte was changed. */
  open(sealed: string, place: string): string
  /** A short text that is equal for equal secrets under one key, and tells nothing of them. */
  fingerprint(secret: string): string
}

/** A box whose key can become another one while it is used. */
export interface KeyedBox extends SecretBox {
  /** Seals with this key from now on, and opens with the keys until now as well. */
  adopt(key: Uint8Array): void
  /** Opens with the newest key alone from now on. */
  forgetOlder(): void
  /** The text sealed with the newest key; null when it is already. Throws like `open`. */
  resealed(sealed: string, place: string): string | null
}

/** A box that seals with the first key, of exactly 32 bytes as all are, and opens with each. */
export function createSecretBox(...keys: readonly [Uint8Array, ...Uint8Array[]]): KeyedBox {
  let [newest, ...older] = keys
  const box: KeyedBox = {
    seal: (secret, place) => seal(newest, secret, place),
    open(sealed, place) {
      for (const key of [newest, ...older]) {
        const secret = open(key, sealed, place)
        if (secret !== null) return secret
      }
      throw unreadable(place)
    },
    fingerprint(secret) {
      // A key of its own: what is sealed and what is compared must not be one use of the same key.
      const own = createHmac('sha256', newest).update('fingerprint').digest()
      return createHmac('sha256', own).update(secret).digest('base64url').slice(0, 16)
    },
    adopt(key) {
      older = [newest, ...older]
      newest = key
    },
    forgetOlder() {
      older = []
    },
    resealed: (sealed, place) =>
      open(newest, sealed, place) === null ? box.seal(box.open(sealed, place), place) : null,
  }
  return box
}

function seal(key: Uint8Array, secret: string, place: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
  const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${VERSION}.${sealed.toString('base64url')}`
}

/** Null when this is not the key, or anything was changed: which of the two cannot be told. */
function open(key: Uint8Array, text: string, place: string): string | null {
  const [version, body] = text.split('.')
  const bytes = Buffer.from(body ?? '', 'base64url')
  if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) return null
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(place))
    .setAuthTag(bytes.subarray(-TAG_BYTES))
  const secret = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)).toString('utf8')
  try {
    return secret + decipher.final('utf8')
  } catch {
    return null
  }
}

function unreadable(place: string): AppError {
  return new AppError(
    'unavailable',
    'A stored secret cannot be opened: ENCRYPTION_KEY is not the key it was sealed with, or the row was changed by hand.',
    { cause: place },
  )
}
