import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encryptionKeys } from '../../src/auth/encryption-key.ts'
import { createSecretBox } from '../../src/auth/secret-box.ts'

const PLACE = 'repositories/repo_1/credentials'

function box() {
  return createSecretBox(new Uint8Array(randomBytes(32)))
}

test.each(['', 'x', 'pässword\n-----BEGIN', 'x'.repeat(20_000)])('a secret comes back as it was', (secret) => {
  const { seal, open } = box()
  const sealed = seal(secret, PLACE)
  expect(open(sealed, PLACE)).toBe(secret)
  if (secret.length > 1) expect(sealed).not.toContain(secret.slice(0, 20))
})

test('the same secret is sealed differently each time', () => {
  const { seal } = box()
  expect(new Set(Array.from({ length: 100 }, () => seal('secret', PLACE))).size).toBe(100)
})

test('another key does not open it', () => {
  const sealed = box().seal('secret', PLACE)
  expect(() => box().open(sealed, PLACE)).toThrow('ENCRYPTION_KEY is not the key')
})

test('it opens at no other place', () => {
  const { seal, open } = box()
  const sealed = seal('secret', PLACE)
  for (const place of ['repositories/repo_2/credentials', 'repositories/repo_1', '', `${PLACE} `]) {
    expect(() => open(sealed, place)).toThrow()
  }
})

test('a flipped bit anywhere, a cut and an addition are found', () => {
  const { seal, open } = box()
  const sealed = seal('secret', PLACE)
  const bytes = Buffer.from(sealed.split('.')[1] ?? '', 'base64url')
  const again = (changed: Buffer) => `v1.${changed.toString('base64url')}`
  expect(open(again(bytes), PLACE)).toBe('secret')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => open(again(changed), PLACE)).toThrow()
  }
  for (let length = 0; length < bytes.length; length++)
    expect(() => open(again(bytes.subarray(0, length)), PLACE)).toThrow()
  expect(() => open(again(Buffer.concat([bytes, Buffer.from([0])])), PLACE)).toThrow()
})

test.each(['', 'v1', 'v1.', 'v2.AAAA', 'plain text', 'v1.!!!!'])(
  '%p is no sealed text, and the error does not repeat it',
  (text) => {
    const { open } = box()
    try {
      open(text, PLACE)
      throw new Error('it opened')
    } catch (error) {
      expect((error as Error).message).toContain('cannot be opened')
      if (text.length > 5) expect((error as Error).message).not.toContain(text)
    }
  },
)

test('a key is made once, for its owner only', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'package-broker-key-'))
  const place = { encryptionKey: null, previousEncryptionKey: null, dataDir }
  try {
    const key = encryptionKeys(place)[0]
    expect(key).toHaveLength(32)
    expect(encryptionKeys(place)[0]).toEqual(key)
    const file = join(dataDir, 'encryption.key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file, 'utf8')).toBe(`${Buffer.from(key).toString('base64')}\n`)
    const own = new Uint8Array(32).fill(7)
    expect(encryptionKeys({ ...place, encryptionKey: own })[0]).toEqual(own)
    for (const damage of ['', 'short', `${'A'.repeat(60)}==`]) {
      writeFileSync(file, damage)
      expect(() => encryptionKeys(place)[0]).toThrow('does not hold a key of 32 bytes')
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
})
