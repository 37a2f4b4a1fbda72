import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { effectiveValues, readConfig, VARIABLES } from '../src/config.ts'
import { AppError } from '../src/errors.ts'

const directory = mkdtempSync(join(tmpdir(), 'package-broker-config-'))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

function mistakes(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    return (error as AppError).message.split('\n')
  }
}

test('the table has every variable once, each with its meaning', () => {
  const names = VARIABLES.map((variable) => variable.name)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toEqual(expect.arrayContaining(['HOST', 'PORT', 'BASE_URL', 'TRUST_PROXY', 'DATA_DIR', 'DATABASE_URL']))
  for (const variable of VARIABLES) expect(variable.meaning).toMatch(/\w{2}/)
  expect(VARIABLES.filter((variable) => variable.secret).map((variable) => variable.name)).toEqual([
    'DATABASE_AUTH_TOKEN',
    'ENCRYPTION_KEY',
    'ENCRYPTION_KEY_PREVIOUS',
    'ADMIN_TOKEN',
  ])
})

test('defaults', () => {
  const config = readConfig({})
  expect(config).toMatchObject({
    host: '0.0.0.0',
    port: 8080,
    baseUrl: null,
    dataDir: resolve('data'),
    databaseUrl: `file:${resolve('data')}/package-broker.db`,
    archiveDir: resolve('data/archives'),
    archiveMaxBytes: 0,
    encryptionKey: null,
    adminToken: null,
    syncInterval: 900,
    syncConcurrency: 8,
    probeInterval: 180,
    scrubInterval: 86_400,
    logLevel: 'info',
  })
  expect(config.trustProxy.includes('127.0.0.1')).toBe(false)
  expect(config.allowedNetworks.includes('127.0.0.1')).toBe(false)
  expect(Object.isFrozen(config)).toBe(true)
})

test('the shown defaults are the defaults', () => {
  const effective = new Map(effectiveValues(readConfig({ DATA_DIR: '/d' })).map((row) => [row.name, row.value]))
  for (const { name, shownDefault } of VARIABLES) {
    if (/^[\d.]+$|^[a-z]+$/.test(shownDefault) && shownDefault !== 'off') {
      expect({ name, value: effective.get(name) }).toEqual({ name, value: shownDefault })
    }
    if (shownDefault.includes('$DATA_DIR') && !VARIABLES.find((row) => row.name === name)?.secret) {
      expect({ name, value: effective.get(name) }).toEqual({ name, value: shownDefault.replace('$DATA_DIR', '/d') })
    }
  }
})

test('an empty value is no value', () => {
  const names = VARIABLES.map((variable) => variable.name)
  const empty = readConfig(Object.fromEntries(names.map((name) => [name, ''])))
  expect(effectiveValues(empty)).toEqual(effectiveValues(readConfig({})))
})

test('all mistakes are told at once, one line each', () => {
  const lines = mistakes({
    PORT: '70000',
    BASE_URL: 'packages.example.com',
    TRUST_PROXY: 'proxy',
    DATABASE_URL: 'postgres://x',
    ARCHIVE_MAX_BYTES: '10GB',
    SYNC_INTERVAL: '9',
    SYNC_CONCURRENCY: '0',
    PROBE_INTERVAL: '-1',
    ALLOWED_NETWORKS: '10.0.0.0/40',
    LOG_LEVEL: 'loud',
    LOG_FORMAT: 'xml',
    ENCRYPTION_KEY: 'abc',
    ADMIN_TOKEN: 'short',
  })
  expect(lines.map((line) => /^[A-Z_]+/.exec(line)?.[0])).toEqual([
    'PORT',
    'BASE_URL',
    'TRUST_PROXY',
    'DATABASE_URL',
    'ARCHIVE_MAX_BYTES',
    'ENCRYPTION_KEY',
    'ADMIN_TOKEN',
    'SYNC_INTERVAL',
    'SYNC_CONCURRENCY',
    'PROBE_INTERVAL',
    'ALLOWED_NETWORKS',
    'LOG_LEVEL',
    'LOG_FORMAT',
  ])
})

describe('one wrong value', () => {
  test.each([
    ['PORT', ['-1', '65536', '80.5', '0x50', ' 80', '8e1', '٨٠']],
    ['BASE_URL', ['ftp://x', 'https://a:b@x', 'https://u@x', 'https://x?q', 'https://x#h', '//x', 'x', 'https://']],
    ['ENCRYPTION_KEY', ['abc', 'A'.repeat(42), `${'A'.repeat(43)}==`, 'A'.repeat(64), '!'.repeat(43)]],
    ['ADMIN_TOKEN', ['x'.repeat(31), `${'x'.repeat(32)} y`, 'ü'.repeat(40), 'x'.repeat(513)]],
    ['DATABASE_URL', ['file:', ':memory:', 'file::memory:', './x.db', 'mysql://x']],
    ['RESERVED_VENDORS', ['acme/', 'acme/*', 'acme globex', '-acme', 'acme,glob--ex']],
    ['SYNC_INTERVAL', ['9', 'x', '31536001', '-5']],
  ])('%s', (name, values) => {
    for (const value of values) {
      const [line, ...more] = mistakes({ [name]: value })
      expect({ value, more }).toEqual({ value, more: [] })
      expect({ value, line }).toEqual({ value, line: expect.stringMatching(new RegExp(`^${name}\\b.*needs`)) })
      const secret = VARIABLES.find((variable) => variable.name === name)?.secret
      if (value.length > 3) expect(line?.includes(value)).toBe(!secret)
    }
  })
})

test.each([
  ['BASE_URL', 'https://example.com/', 'https://example.com'],
  ['BASE_URL', 'https://example.com/a/b//', 'https://example.com/a/b'],
  ['BASE_URL', 'HTTP://EXAMPLE.com:80', 'http://example.com'],
  ['DATABASE_URL', 'libsql://x.turso.io', 'libsql://x.turso.io'],
  ['RESERVED_VENDORS', ' Acme, globex ,acme', 'acme,globex'],
  ['PORT', '0', '0'],
])('%s=%s', (name, value, expected) => {
  const shown = effectiveValues(readConfig({ [name]: value })).find((row) => row.name === name)
  expect(shown?.value).toBe(expected)
})

describe('secrets', () => {
  const key = Buffer.alloc(32, 7).toString('base64')
  const token = 'a-token-of-the-operator-0123456789'

  test('are hidden when shown', () => {
    const shown = effectiveValues(
      readConfig({ ENCRYPTION_KEY: key, ADMIN_TOKEN: token, DATABASE_AUTH_TOKEN: 'secret' }),
    )
    expect(JSON.stringify(shown)).not.toContain(key)
    expect(JSON.stringify(shown)).not.toContain(token)
    expect(shown.filter((row) => row.value === '(set)')).toHaveLength(3)
  })

  test('are read from files, without the line break at the end', () => {
    const file = join(directory, 'token')
    writeFileSync(file, `${token}\n`)
    expect(readConfig({ ADMIN_TOKEN_FILE: file }).adminToken).toBe(token)
    writeFileSync(file, `${key}\r\n`)
    expect(readConfig({ ENCRYPTION_KEY_FILE: file }).encryptionKey).toEqual(new Uint8Array(32).fill(7))
  })

  test('a file that is missing, and a value given twice, are mistakes', () => {
    expect(mistakes({ ADMIN_TOKEN_FILE: join(directory, 'missing') })[0]).toMatch(/^ADMIN_TOKEN\b.*cannot be read/)
    const file = join(directory, 'token')
    writeFileSync(file, token)
    const [line = ''] = mistakes({ ADMIN_TOKEN: token, ADMIN_TOKEN_FILE: file })
    expect(line).toContain('both directly and by ADMIN_TOKEN_FILE')
    expect(line).not.toContain(token)
  })

  test('an empty file holds no secret: it is not taken for “not set”', () => {
    const file = join(directory, 'empty')
    writeFileSync(file, '\n')
    expect(mistakes({ ADMIN_TOKEN_FILE: file })[0]).toMatch(/^ADMIN_TOKEN\b/)
    expect(mistakes({ ENCRYPTION_KEY_FILE: file })[0]).toMatch(/^ENCRYPTION_KEY\b/)
    expect(mistakes({ DATABASE_AUTH_TOKEN_FILE: file })[0]).toMatch(/^DATABASE_AUTH_TOKEN\b/)
  })

  test('a credential of systemd is read by the name of the variable', () => {
    const file = join(directory, 'ADMIN_TOKEN')
    writeFileSync(file, `${token}\n`)
    const given = { CREDENTIALS_DIRECTORY: directory }
    expect(readConfig(given)).toMatchObject({ adminToken: token, encryptionKey: null })
    expect(mistakes({ ...given, ADMIN_TOKEN: token })[0]).toContain('both directly and by the credential ADMIN_TOKEN')
    expect(mistakes({ ...given, ADMIN_TOKEN_FILE: file })[0]).toContain('by ADMIN_TOKEN_FILE and by the credential')
    writeFileSync(file, '')
    expect(mistakes(given)[0]).toMatch(/^ADMIN_TOKEN: the credential ADMIN_TOKEN is empty/)
    rmSync(file)
  })

  test('other variables are not read from files', () => {
    expect(readConfig({ PORT_FILE: join(directory, 'missing') }).port).toBe(8080)
  })
})
