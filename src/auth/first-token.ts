import { newId } from '../store/ids.ts'
import type { TokenTable } from '../store/tokens.ts'
import { hashToken, makeToken, type Now } from './tokens.ts'

/**
 * Creates the first token that may do everything, and returns it: nobody could manage the installation without it.
 * Null when there is one already.
 */
export async function createFirstToken(tokens: TokenTable, now: Now): Promise<string | null> {
  if (await tokens.hasUnrestrictedWrite(now())) return null
  const token = makeToken()
  await tokens.insert({
    id: newId('tok'),
    hash: hashToken(token),
    description: 'First administrator token',
    permissions: 'write',
    expiresAt: null,
    allowedPackagePrefixes: [],
    allowedPackages: [],
    updatesUntil: null,
    rateLimitMax: null,
    previousHash: null,
    previousUntil: null,
    lastClient: null,
    metadata: {},
    createdAt: now(),
    updatedAt: now(),
    lastUsedAt: null,
  })
  return token
}
