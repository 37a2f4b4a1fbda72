import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '../errors.ts'

const VERSION = 'v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Seals secrets at rest with AES-256-GCM, each bound to the place it is stored at. */
export interface SecretBox {
  /** The sealed text of `secret`. `place` names table, row and column: the text opens nowhere else. */
  seal(secret: string, place: string): string
  /** The secret again. Throws AppError('unavailable') when key or place differ, or a byte was changed. */
  open(sealed: string, place: string): string
}

/** A box under one key of exactly 32 bytes. */
export function createSecretBox(key: Uint8Array): SecretBox {
  return {
    seal(secret, place) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
      const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${VERSION}.${sealed.toString('base64url')}`
    },
    open(text, place) {
      const [version, body] = text.split('.')
      const bytes = Buffer.from(body ?? '', 'base64url')
      if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES) throw unreadable(place)
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
          .setAAD(Buffer.from(place))
          .setAuthTag(bytes.subarray(-TAG_BYTES))
        return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)).toString('utf8') + decipher.final('utf8')
      } catch (error) {
        throw unreadable(place, error)
      }
    },
  }
}

function unreadable(place: string, cause?: unknown): AppError {
  return new AppError(
    'unavailable',
    'A stored secret cannot be opened: ENCRYPTION_KEY is not the key it was sealed with, or the row was changed by hand.',
    { cause: cause ?? place },
  )
}
