import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { hostFailureReason } from './failure.ts'
import { Fields } from './fields.ts'

/** Longest body of a webhook, in bytes; a push of many commits is a hint all the same, and may be dropped. */
export const LONGEST_WEBHOOK = 1024 * 1024

/** What a host told: a hint, which never says more than where to look. */
export interface PushNotice {
  /** The same each time a delivery is repeated. */
  readonly deliveryId: string
  /** The host's name of the event. */
  readonly event: string
  /** Whether refs changed, or what the host says of the repository: its name, its owner, archived. */
  readonly concerns: 'refs' | 'facts'
  readonly repository: {
    /** As `RepositoryFacts.id`; null when it is not told. */
    readonly id: string | null
    readonly path: string | null
  }
}

/** A delivery as it came: the bytes that were signed, not what became of them. */
export interface WebhookDelivery {
  readonly headers: Headers
  readonly body: Uint8Array
  /** The key that the host signs with. */
  readonly secret: string
  /** Unix seconds. */
  readonly now: number
}

/** True when `signature` is the hex HMAC-SHA256 of the bytes, compared in constant time. */
export function signedInHex(secret: string, body: Uint8Array, signature: string): boolean {
  if (secret === '' || !/^[0-9a-f]{64}$/i.test(signature)) return false
  return timingSafeEqual(createHmac('sha256', secret).update(body).digest(), Buffer.from(signature, 'hex'))
}

/** True when two texts are equal, found out in a time that says nothing of where they differ. */
export function sameSecret(secret: string, given: string): boolean {
  if (secret === '') return false
  const digest = (text: string) => createHmac('sha256', 'comparison').update(text).digest()
  return timingSafeEqual(digest(secret), digest(given))
}

/**
 * The JSON object of a delivery that was verified, or of its form field `payload`, as GitHub and Gitea send it when they
 * are set to. Throws AppError('invalid') for anything else.
 */
export function webhookBody({ headers, body }: Pick<WebhookDelivery, 'headers' | 'body'>): Fields {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (!/^(?:|application\/json|application\/x-www-form-urlencoded)$/.test(type)) throw unreadable()
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    const json = type.endsWith('urlencoded') ? new URLSearchParams(text).get('payload') : text
    return Fields.of('The webhook', JSON.parse(json ?? ''))
  } catch (cause) {
    throw unreadable(cause)
  }
}

function unreadable(cause?: unknown): AppError {
  const sentence = 'The body of the webhook is no JSON object; choose application/json as its content type.'
  return new AppError('invalid', sentence, cause === undefined ? {} : { cause })
}

/** What `read` makes of a body; a field of the wrong kind is AppError('invalid'), for the sender is to blame. */
export function readingWebhook<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (hostFailureReason(error) !== 'protocol') throw error
    throw new AppError('invalid', 'The body of the webhook does not have the form of this event.', { cause: error })
  }
}

/** The value of a header, which must be there. Throws AppError('invalid'). */
export function requiredHeader(headers: Headers, name: string): string {
  const value = headers.get(name)
  if (value === null || !/^[\x21-\x7e ]{1,200}$/.test(value)) {
    throw new AppError('invalid', `The webhook comes without a usable header ${name}.`)
  }
  return value
}

/** The refusal of a delivery that the host did not sign with this secret. */
export function badSignature(): AppError {
  return new AppError(
    'unauthorized',
    'The signature of the webhook does not fit its body and the secret of this repository.',
    {
      details: { reason: 'bad_signature' },
    },
  )
}
