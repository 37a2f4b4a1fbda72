import { recording } from '../store/audit.ts'
import { newId } from '../store/ids.ts'
import type { TokenRow, TokenTable } from '../store/tokens.ts'
import { hashToken, makeToken, type Now } from './tokens.ts'

/**
 * Creates the first token that may do everything, and returns it: nobody could manage the installation without it.
 * Null when there is one already.
 */
export async function createFirstToken(tokens: TokenTable, now: Now): Promise<string | null> {
  if (await tokens.hasUnrestrictedWrite(now())) return null
  const token = makeToken()
  const settings = { description: 'First administrator token', permissions: 'write' } as const
  const row: TokenRow = {
    id: newId('tok'),
    hash: hashToken(token),
    ...settings,
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
  }
  const change = { action: 'token.create', subject: row.id, before: null, after: settings }
  await tokens.insert(row, recording({ at: now(), actor: 'local', ...change, requestId: 'first-start', address: null }))
  return token
}
