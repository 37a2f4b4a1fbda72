import { createHash, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { TokenRow, TokenTable } from '../store/tokens.ts'
import type { Caller } from './scope.ts'

/** Seconds on the clock, injected so that tests can turn it. */
export type Now = () => number

/** How long a looked-up token is trusted without asking the database: another instance may have revoked it. */
const TRUST_MS = 1_500
/** Most tokens remembered; past it the oldest are forgotten. */
const REMEMBERED = 10_000

/** A new token: `pb_` and 256 random bits in 43 URL-safe characters. */
export function makeToken(): string {
  return `pb_${randomBytes(32).toString('base64url')}`
}

/** SHA-256 of a token in hexadecimal: all that is stored of it. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex')
}

interface Remembered {
  readonly row: TokenRow | null
  readonly caller: Caller | null
  readonly until: number
}

/** Turns what a request carries into a caller. */
export class TokenVerifier {
  private readonly remembered = new Map<string, Remembered>()
  private readonly uses = new Map<string, number>()
  private readonly fixed: { digest: Buffer; caller: Caller }[] = []

  constructor(
    private readonly table: TokenTable,
    private readonly now: Now,
  ) {}

  /** Accepts a token that is not in the database (from the environment, or of the local socket); it may do everything. */
  trust(token: string): void {
    const caller: Caller = { tokenId: null, permissions: 'write', prefixes: [], scopeRevision: 0 }
    this.fixed.push({ digest: createHash('sha256').update(token).digest(), caller })
  }

  /**
   * The caller behind an `Authorization` header: `Bearer <token>`, or Basic with the token as password, or as user name
   * with an empty password. Throws AppError('unauthorized') and AppError('token_expired').
   */
  verify(authorization: string | null): Caller | Promise<Caller> {
    const token = tokenFrom(authorization)
    if (token === null) throw unauthorized('No token was sent.')
    const digest = hashToken(token)
    const known = this.remembered.get(digest)
    if (known && known.until > Date.now()) return this.accept(known)
    return this.lookUp(digest)
  }

  /** Forgets what was remembered, so that a change of tokens is effective on the next request. */
  forget(): void {
    this.remembered.clear()
  }

  /** Writes when tokens were last used; called now and then instead of once per request. */
  async flushUses(): Promise<void> {
    const uses = new Map(this.uses)
    this.uses.clear()
    await this.table.noteUses(uses)
  }

  private async lookUp(hash: string): Promise<Caller> {
    const digest = Buffer.from(hash, 'hex')
    const fixed = this.fixed.find((entry) => timingSafeEqual(entry.digest, digest))
    const row = fixed ? null : await this.table.findByHash(hash)
    const caller = fixed?.caller ?? (row ? callerOf(row) : null)
    const entry: Remembered = { row, caller, until: Date.now() + TRUST_MS }
    // Unknown tokens are not remembered: a flood of guesses would push out the ones in use.
    if (caller) this.remember(hash, entry)
    return this.accept(entry)
  }

  private remember(hash: string, entry: Remembered): void {
    this.remembered.delete(hash)
    this.remembered.set(hash, entry)
    if (this.remembered.size <= REMEMBERED) return
    const oldest = this.remembered.keys().next().value
    if (oldest !== undefined) this.remembered.delete(oldest)
  }

  private accept({ row, caller }: Remembered): Caller {
    if (!caller) throw unauthorized('The token is unknown or was revoked.')
    if (!row) return caller
    const now = this.now()
    if (row.expiresAt !== null && row.expiresAt <= now) {
      throw new AppError(
        'token_expired',
        `The token expired at ${new Date(row.expiresAt * 1000).toISOString()}; ask for a new one.`,
      )
    }
    this.uses.set(row.id, now)
    return caller
  }
}

function unauthorized(reason: string): AppError {
  return new AppError(
    'unauthorized',
    `${reason} Give Composer one with: composer config --auth http-basic.<host> token <token>`,
  )
}

function callerOf(row: TokenRow): Caller {
  return {
    tokenId: row.id,
    permissions: row.permissions,
    prefixes: row.allowedPackagePrefixes.map((prefix) => prefix.toLowerCase()),
    scopeRevision: row.updatedAt,
  }
}

function tokenFrom(authorization: string | null): string | null {
  if (authorization === null || authorization.length > 2_048) return null
  const space = authorization.indexOf(' ')
  const scheme = authorization.slice(0, space).toLowerCase()
  const value = authorization.slice(space + 1).trim()
  if (scheme === 'bearer') return value || null
  if (scheme !== 'basic') return null
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon === -1) return pair || null
  return pair.slice(colon + 1) || pair.slice(0, colon) || null
}
