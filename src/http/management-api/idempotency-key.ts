import { t } from 'elysia'

/** The header that creates something once. */
export const IDEMPOTENCY_KEY = {
  'Idempotency-Key': {
    description:
      'The same key and body within 24 hours create it once; each time the first answer is given. Another body under it is a conflict.',
    schema: t.String({ pattern: '^[\\x21-\\x7e]{1,255}$' }),
    example: '0d5cbb5e-6a0b-4b58-9a57-4d0a9e6b8d3e',
  },
} as const
