import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admission } from '../../src/auth/admission.ts'
import { FailedLogins } from '../../src/auth/failed-logins.ts'
import { RateLimits } from '../../src/auth/rate-limits.ts'
import { type Caller, EVERYTHING } from '../../src/auth/scope.ts'
import { hashToken, makeToken, TokenVerifier } from '../../src/auth/tokens.ts'
import { type Database, openDatabase } from '../../src/store/database.ts'
import { migrate } from '../../src/store/migrate.ts'
import { RateWindowTable } from '../../src/store/rate-windows.ts'
import { type TokenRow, TokenTable } from '../../src/store/tokens.ts'

let directory: string
let db: Database
let table: TokenTable
let admission: Admission
let verifier: TokenVerifier
const clock = { now: 1_800_000_000 }

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'package-broker-tokens-'))
  const address = { url: `file:${directory}/test.db`, authToken: null }
  await migrate(address)
  db = await openDatabase(address)
  table = new TokenTable(db)
  const limits = new RateLimits(new RateWindowTable(db), { readonly: 0, write: 0 }, () => clock.now)
  admission = new Admission({ limits, failures: new FailedLogins(() => clock.now), addressOf: () => null })
  verifier = new TokenVerifier(table, () => clock.now, admission)
})

afterEach(async () => {
  await db.close()
  rmSync(directory, { recursive: true, force: true })
})

async function store(change: Partial<TokenRow> = {}): Promise<string> {
  const token = makeToken()
  await table.insert({
    id: `tok_${hashToken(token).slice(0, 8)}`,
    hash: hashToken(token),
    description: '',
    permissions: 'readonly',
    expiresAt: null,
    allowedPackagePrefixes: [],
    allowedPackages: [],
    updatesUntil: null,
    previousHash: null,
    previousUntil: null,
    lastClient: null,
    rateLimitMax: null,
    metadata: {},
    createdAt: clock.now,
    updatedAt: clock.now,
    lastUsedAt: null,
    ...change,
  })
  return token
}

const bearer = async (token: string): Promise<Caller> => verifier.verify(`Bearer ${token}`)

async function refusal(authorization: string | null): Promise<string> {
  try {
    await verifier.verify(authorization)
    return 'accepted'
  } catch (error) {
    return (error as { kind: string }).kind
  }
}

test('tokens are pb_ and 256 bits in 43 characters, each another', () => {
  const tokens = Array.from({ length: 1_000 }, makeToken)
  for (const token of tokens) expect(token).toMatch(/^pb_[A-Za-z0-9_-]{43}$/)
  expect(new Set(tokens).size).toBe(1_000)
})

test('by every way of sending it, the same caller', async () => {
  const token = await store({ permissions: 'write', allowedPackagePrefixes: ['acme/'] })
  const ways = [
    `Bearer ${token}`,
    `bearer ${token}`,
    `Bearer   ${token} `,
    `Basic ${btoa(`token:${token}`)}`,
    `basic ${btoa(`anybody:${token}`)}`,
    `Basic ${btoa(`:${token}`)}`,
    `Basic ${btoa(`${token}:`)}`,
    `Basic ${btoa(token)}`,
  ]
  const callers = await Promise.all(ways.map((way) => verifier.verify(way)))
  for (const caller of callers) expect(caller).toMatchObject({ permissions: 'write', scope: { prefixes: ['acme/'] } })
  expect(new Set(callers.map((caller) => caller.tokenId)).size).toBe(1)
})

test('anything else is refused', async () => {
  const token = await store()
  for (const authorization of [
    null,
    '',
    token,
    'Bearer',
    'Bearer ',
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer ${hashToken(token)}`,
    `Basic ${token}`,
    `Basic ${btoa(`${token}:wrong`)}`,
    `Digest ${token}`,
    `Bearer ${'x'.repeat(3_000)}`,
  ]) {
    expect({ authorization, is: await refusal(authorization) }).toEqual({ authorization, is: 'unauthorized' })
  }
})

test('a token expires in the second that is named, also while it is remembered', async () => {
  const token = await store({ expiresAt: clock.now + 10 })
  await bearer(token)
  clock.now += 9
  await bearer(token)
  clock.now += 1
  expect(await refusal(`Bearer ${token}`)).toBe('token_expired')
})

test('a revoked token is refused at once where it was revoked, and soon everywhere', async () => {
  const token = await store()
  const other = new TokenVerifier(table, () => clock.now, admission)
  const { tokenId } = await bearer(token)
  await other.verify(`Bearer ${token}`)
  await table.delete(tokenId ?? '')
  verifier.forget()
  expect(await refusal(`Bearer ${token}`)).toBe('unauthorized')
  await Bun.sleep(2_000)
  expect(
    await Promise.resolve()
      .then(() => other.verify(`Bearer ${token}`))
      .catch(() => 'refused'),
  ).toBe('refused')
})

test('a token of the environment may do everything and is not in the database', async () => {
  verifier.trust('the-operator-has-a-long-token-here', 'environment')
  expect(await bearer('the-operator-has-a-long-token-here')).toEqual({
    tokenId: null,
    actor: 'environment',
    permissions: 'write',
    rateLimit: 0,
    scope: EVERYTHING,
  })
  expect(await refusal('Bearer the-operator-has-a-long-token-herf')).toBe('unauthorized')
})

test('guesses do not push out what is remembered, nor grow it', async () => {
  const token = await store()
  await bearer(token)
  for (let guess = 0; guess < 500; guess++) await refusal(`Bearer guess-${guess}`)
  // Still remembered: the answer comes without a promise, so the database was not asked.
  expect(verifier.verify(`Bearer ${token}`)).not.toBeInstanceOf(Promise)
})

test('uses are written when flushed', async () => {
  const token = await store()
  const { tokenId } = await bearer(token)
  expect((await table.find(tokenId ?? ''))?.lastUsedAt).toBeNull()
  await verifier.flushUses()
  expect((await table.find(tokenId ?? ''))?.lastUsedAt).toBe(clock.now)
})

test('a token with any limit is not the one that may do everything', async () => {
  const acme = [{ name: 'acme/lib', constraint: null }]
  await store({ permissions: 'write', allowedPackagePrefixes: ['acme/'] })
  await store({ permissions: 'write', allowedPackages: acme })
  await store({ permissions: 'write', updatesUntil: clock.now + 10 })
  await store({ permissions: 'write', expiresAt: clock.now })
  await store({ permissions: 'readonly' })
  expect(await table.hasUnrestrictedWrite(clock.now)).toBe(false)
  await store({ permissions: 'write', expiresAt: clock.now + 1 })
  expect(await table.hasUnrestrictedWrite(clock.now)).toBe(true)
})
