import { integer, shape, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const Rotation = shape('KeyRotation', {
  resealed: integer({ minimum: 0, description: 'values that were sealed with the new key' }),
  key: words(['file', 'environment'], 'where the key is'),
})

/** The operations of `/api/encryption-key`. */
export const ENCRYPTION_KEY_OPERATIONS = {
  rotate: operation({
    id: 'rotateEncryptionKey',
    tag: 'System',
    access: 'unrestricted token',
    summary: 'Change the key of stored secrets',
    description:
      'Seals every stored credential with a new key while requests go on. A key in the file of the data directory is replaced by one that is made; a configured one needs its successor in ENCRYPTION_KEY and itself in ENCRYPTION_KEY_PREVIOUS.',
    answers: {
      200: {
        description: 'Everything is sealed with the new key.',
        schema: Rotation,
        examples: { file: { resealed: 12, key: 'file' } },
      },
    },
    errors: {
      conflict:
        'The key is configured: start the server with ENCRYPTION_KEY set to a new key and ENCRYPTION_KEY_PREVIOUS to the present one, then rotate.',
    },
  }),
}
