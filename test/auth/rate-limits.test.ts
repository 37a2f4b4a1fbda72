import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { RateLimits } from '../../src/auth/rate-limits.ts'
import { type Caller, EVERYTHING } from '../../src/auth/scope.ts'
import { AppError } from '../../src/errors.ts'
import { RateWindowTable, type WindowCount } from '../../src/store/rate-windows.ts'
import { TokenTable } from '../../src/store/tokens.ts'
import { openStore, type TestStore, temporaryDirectory } from '../store/support.ts'

const HOUR = 3_600
const directory = temporaryDirectory()
let store: TestStore
let table: RateWindowTable
let tokens: TokenTable
let now = 1_800_000_000
let serial = 0
let caller: Caller

beforeAll(async () => {
  store = await openStore(`file:${directory.path}/limits.db`)
  table = new RateWindowTable(store.db)
  tokens = new TokenTable(store.db)
})

afterAll(async () => {
  await store?.db.close()
  directory.remove()
})

beforeEach(async () => {
  serial++
  const id = `tok_${serial}`
  await tokens.insert({
    id,
    hash: id,
    description: '',
    permissions: 'readonly',
    expiresAt: null,
    allowedPackagePrefixes: [],
    allowedPackages: [],
    updatesUntil: null,
    rateLimitMax: null,
    previousHash: null,
    previousUntil: null,
    metadata: {},
    createdAt: now,
    updatedAt: now,
    lastUsedAt: null,
    lastClient: null,
  })
  caller = { tokenId: id, actor: id, permissions: 'readonly', rateLimit: null, scope: EVERYTHING }
})

const limits = (from = table) => new RateLimits(from, { readonly: 10, write: 5 }, () => now)
const startOf = (time: number) => time - (time % HOUR)
const stored = () => table.count(caller.tokenId ?? '', startOf(now))

async function take(from: RateLimits, times: number) {
  const window = await from.windowOf(caller)
  for (let turn = 0; turn < times; turn++) from.take(caller, window)
  return window
}

describe('what is written', () => {
  test('nothing per request, everything at once', async () => {
    const counted = limits()
    await take(counted, 4)
    expect(await stored()).toBe(0)
    await counted.flush()
    expect(await stored()).toBe(4)
    const window = await take(counted, 2)
    window.giveBack()
    await Promise.all([counted.flush(), counted.flush()])
    expect(await stored()).toBe(5)
  })

  test('what could not be written is written later, with what came in between', async () => {
    let broken = true
    const failing = new (class extends RateWindowTable {
      override add(changes: readonly WindowCount[]): Promise<WindowCount[]> {
        return broken ? Promise.reject(new AppError('unavailable', 'No.')) : super.add(changes)
      }
    })(store.db)
    const counted = limits(failing)
    await take(counted, 3)
    await expect(counted.flush()).rejects.toThrow('No.')
    await take(counted, 2)
    broken = false
    await counted.flush()
    expect(await stored()).toBe(5)
  })

  test('counts of a token that was deleted are dropped and hinder no others', async () => {
    const counted = limits()
    await take(counted, 1)
    const kept = caller
    caller = { ...caller, tokenId: 'tok_gone' }
    await take(counted, 1)
    await counted.flush()
    expect(await stored()).toBe(0)
    caller = kept
    expect(await stored()).toBe(1)
    await tokens.delete(caller.tokenId ?? '')
    await take(counted, 1)
    await counted.flush()
    expect(await stored()).toBe(0)
  })

  test('hours long past are forgotten', async () => {
    const counted = limits()
    await take(counted, 1)
    await counted.flush()
    const past = startOf(now)
    now += 3 * HOUR
    await take(counted, 1)
    await counted.flush()
    expect(await table.count(caller.tokenId ?? '', past)).toBe(0)
    expect(await stored()).toBe(1)
  })
})

describe('two instances on one database', () => {
  test('counts are added up, and each learns of the other', async () => {
    const [left, right] = [limits(), limits()]
    await Promise.all([take(left, 4), take(right, 4)])
    await left.flush()
    await right.flush()
    expect(await stored()).toBe(8)
    expect((await take(right, 1)).remaining).toBe(1)
    expect((await take(left, 1)).remaining).toBe(5)
    await right.flush()
    await left.flush()
    expect((await left.windowOf(caller)).remaining).toBe(0)
    expect(take(left, 1)).rejects.toThrow('has used its 10 requests')
  })
})

describe('the turn of the hour', () => {
  test('a request that ends in the next hour gives back to its own', async () => {
    const counted = limits()
    const before = await take(counted, 3)
    const past = startOf(now)
    now = past + HOUR
    const after = await take(counted, 1)
    before.giveBack()
    expect(after.remaining).toBe(9)
    await counted.flush()
    expect(await table.count(caller.tokenId ?? '', past)).toBe(2)
    expect(await stored()).toBe(1)
  })
})

test('more tokens than are remembered: none is forgotten before it is written', async () => {
  const counted = limits()
  const first = caller
  await take(counted, 3)
  for (let other = 0; other < 20_100; other++) {
    caller = { ...first, tokenId: `tok_other_${other}` }
    await take(counted, 1)
  }
  caller = first
  expect((await counted.windowOf(caller)).remaining).toBe(7)
  await counted.flush()
  caller = { ...first, tokenId: 'tok_one_more' }
  await take(counted, 1)
  caller = first
  expect(await stored()).toBe(3)
  expect((await take(counted, 1)).remaining).toBe(6)
})
