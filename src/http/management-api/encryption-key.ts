import { Elysia } from 'elysia'
import type { KeyRotation } from '../../auth/key-rotation.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { authenticate } from '../plugins/authenticate.ts'
import type { AuditTrail } from './audit-trail.ts'
import { ENCRYPTION_KEY_OPERATIONS } from './encryption-key-operations.ts'

/** What the route of the key works with. */
export interface EncryptionKeyParts {
  readonly verifier: TokenVerifier
  readonly keyRotation: KeyRotation
  readonly audit: AuditTrail
}

/** `/api/encryption-key`: the key of stored secrets becomes another one. */
export function encryptionKeyRoutes(parts: EncryptionKeyParts) {
  return new Elysia({ prefix: '/api/encryption-key' }).use(authenticate(parts.verifier, 'unrestricted token')).post(
    '/rotation',
    async ({ request, caller }) => {
      const after = await parts.keyRotation.rotate()
      await parts.audit.record(request, caller, { action: 'key.rotate', subject: 'encryption-key', after })
      return after
    },
    { detail: ENCRYPTION_KEY_OPERATIONS.rotate },
  )
}
