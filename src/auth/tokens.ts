import { createHash, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import { withoutControls } from '../printable.ts'
import type { TokenRow, TokenTable, TokenUse } from '../store/tokens.ts'
import type { Admission } from './admission.ts'
import { type Caller, EVERYTHING } from './scope.ts'
import { scopeOf } from './token-scope.ts'

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
  /** By token; the client as it called itself, which is cleaned when it is written. */
  private readonly uses = new Map<string, TokenUse>()
  private generation = 0
  private readonly fixed: { digest: Buffer; caller: Caller }[] = []

  constructor(
    private readonly table: TokenTable,
    private readonly now: Now,
    private readonly admission: Admission,
  ) {}

  /** Accepts a token that is not in the database; it may do everything. `actor` is what the audit calls it. */
  trust(token: string, actor: 'environment' | 'local'): this {
    const caller: Caller = { tokenId: null, actor, permissions: 'write', rateLimit: 0, scope: EVERYTHING }
    this.fixed.push({ digest: createHash('sha256').update(token).digest(), caller })
    return this
  }

  /**
   * The caller behind a request, which is counted; failures are limited by client address.
   * Throws what `verify` throws, and AppError('rate_limited').
   */
  admit(request: Request): Caller | Promise<Caller> {
    const { headers } = request
    try {
      const caller = this.verify(headers.get('authorization'), headers.get('user-agent'))
      return caller instanceof Promise ? this.admitLater(request, caller) : this.admission.accept(request, caller)
    } catch (error) {
      throw this.admission.refuse(request, error)
    }
  }

  /**
   * The caller behind an `Authorization` header: `Bearer <token>` or `Bearer <user>:<token>`, or Basic with the token as password, or as user name
   * with an empty password. `client` is the User-Agent, which is noted as the last one.
   * Throws AppError('unauthorized') and AppError('token_expired').
   */
  verify(authorization: string | null, client: string | null = null): Caller | Promise<Caller> {
    const token = tokenFrom(authorization)
    if (token === null) throw unauthorized('No token was sent.')
    const digest = hashToken(token)
    const known = this.remembered.get(digest)
    if (known && known.until > performance.now()) return this.accept(known, client)
    return this.lookUp(digest, client)
  }

  /** The callers behind those of these tokens that are neither revoked nor expired, as they are now, by id. */
  async callers(ids: readonly string[]): Promise<Map<string, Caller>> {
    const rows = await this.table.findMany(ids)
    const good = rows.filter(({ expiresAt }) => expiresAt === null || expiresAt > this.now())
    return new Map(good.map((row) => [row.id, callerOf(row)]))
  }

  /** Forgets what was remembered, so that a change of tokens is effective on the next request. */
  forget(): void {
    this.generation++
    this.remembered.clear()
  }

  /** Writes when tokens were last used; called now and then instead of once per request. */
  async flushUses(): Promise<void> {
    const uses = new Map(this.uses)
    this.uses.clear()
    try {
      await this.table.noteUses(
        new Map([...uses].map(([id, { at, client }]) => [id, { at, client: cleanClient(client) }])),
      )
    } catch (error) {
      // Kept for the next time, unless the token was used again since.
      for (const [id, use] of uses) if (!this.uses.has(id)) this.uses.set(id, use)
      throw error
    }
  }

  private async admitLater(request: Request, caller: Promise<Caller>): Promise<Caller> {
    try {
      return await this.admission.accept(request, await caller)
    } catch (error) {
      throw this.admission.refuse(request, error)
    }
  }

  private async lookUp(hash: string, client: string | null): Promise<Caller> {
    const { generation } = this
    const digest = Buffer.from(hash, 'hex')
    const fixed = this.fixed.find((entry) => timingSafeEqual(entry.digest, digest))
    const row = fixed ? null : await this.table.findByHash(hash)
    const rotated = row !== null && row.hash !== hash
    if (rotated && (row.previousUntil ?? 0) <= this.now()) throw unauthorized(UNKNOWN)
    const caller = fixed?.caller ?? (row ? callerOf(row) : null)
    const entry: Remembered = { row, caller, until: performance.now() + TRUST_MS }
    // Unknown tokens are not remembered: a flood of guesses would push out the ones in use.
    // Nor is one that was looked up while tokens were changed: it may be the state before.
    if (caller && generation === this.generation && !rotated) this.remember(hash, entry)
    return this.accept(entry, client)
  }

  private remember(hash: string, entry: Remembered): void {
    this.remembered.delete(hash)
    this.remembered.set(hash, entry)
    if (this.remembered.size <= REMEMBERED) return
    const oldest = this.remembered.keys().next().value
    if (oldest !== undefined) this.remembered.delete(oldest)
  }

  private accept({ row, caller }: Remembered, client: string | null): Caller {
    if (!caller) throw unauthorized(UNKNOWN)
    if (!row) return caller
    const now = this.now()
    if (row.expiresAt !== null && row.expiresAt <= now) {
      throw new AppError(
        'token_expired',
        `The token expired at ${new Date(row.expiresAt * 1000).toISOString()}; ask for a new one.`,
      )
    }
    this.noteUse(row.id, now, client)
    return caller
  }

  private noteUse(id: string, at: number, client: string | null): void {
    const last = this.uses.get(id)
    // Many requests of one second by one program are one use.
    if (last?.at !== at || last.client !== client) this.uses.set(id, { at, client })
  }
}

/** A User-Agent fit for a list: no control characters, at most 200 characters. */
function cleanClient(client: string | null): string | null {
  return client === null ? null : withoutControls(client).slice(0, 200)
}

const UNKNOWN = 'The token is unknown or was revoked.'

function unauthorized(reason: string): AppError {
  return new AppError(
    'unauthorized',
    `${reason} Give Composer one with: composer config --auth http-basic.<host[:port]> token <token>`,
  )
}

function callerOf(row: TokenRow): Caller {
  return {
    tokenId: row.id,
    actor: row.id,
    permissions: row.permissions,
    rateLimit: row.rateLimitMax,
    scope: scopeOf(row),
  }
}

/** A token behind a user name, as clients of Packagist send it (Packagist: API documentation, authentication). */
const NAMED = /^[^:\s]{1,200}:(pb_[\w-]{43})$/

function tokenFrom(authorization: string | null): string | null {
  if (authorization === null || authorization.length > 2_048) return null
  const space = authorization.indexOf(' ')
  const scheme = authorization.slice(0, space).toLowerCase()
  const value = authorization.slice(space + 1).trim()
  if (scheme === 'bearer') return NAMED.exec(value)?.[1] ?? (value || null)
  if (scheme !== 'basic') return null
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon === -1) return pair || null
  return pair.slice(colon + 1) || pair.slice(0, colon) || null
}
