import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExportDirectory } from '../../src/bundle/export-directory.ts'
import { MANIFEST, manifestText } from '../../src/bundle/manifest.ts'

let root: string
let out: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-export-'))
  out = join(root, 'bundle')
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A complete export of one file. */
async function exported(text: string): Promise<void> {
  const directory = await ExportDirectory.begin(out)
  const sha256 = new Bun.CryptoHasher('sha256').update(text).digest('hex')
  const files = [{ path: 'packages.json', size: text.length, sha256 }]
  await directory.write('packages.json', text)
  await directory.write(MANIFEST, manifestText({ origin: 'http://x.example', baseUrl: out, createdAt: 1, files }))
  await directory.finish()
}

test('nothing is at its place before an export is finished', async () => {
  const directory = await ExportDirectory.begin(out)
  await directory.write('packages.json', '{}')
  expect(existsSync(out)).toBe(false)
  await directory.discard()
  expect(readdirSync(root)).toEqual([])
})

test('an earlier export stays whole until the next one is', async () => {
  await exported('one')
  const directory = await ExportDirectory.begin(out)
  await directory.write('packages.json', 'half')
  expect(readFileSync(join(out, 'packages.json'), 'utf8')).toBe('one')
  await directory.discard()
  expect(readFileSync(join(out, 'packages.json'), 'utf8')).toBe('one')
  await exported('two')
  expect(readFileSync(join(out, 'packages.json'), 'utf8')).toBe('two')
  expect(readdirSync(root)).toEqual(['bundle'])
})

test('what a killed process left is removed by the next one; what another one is writing is not', async () => {
  const ended = Bun.spawn(['true'])
  await ended.exited
  mkdirSync(join(root, `.bundle.export-${ended.pid}.x`))
  const running = `.bundle.export-${process.pid}.x`
  mkdirSync(join(root, running))
  await exported('one')
  expect(readdirSync(root).sort()).toEqual([running, 'bundle'])
})

test('an empty directory is taken, a file is not', async () => {
  mkdirSync(out)
  await exported('one')
  expect(existsSync(join(out, MANIFEST))).toBe(true)
  rmSync(out, { recursive: true })
  writeFileSync(out, 'a file')
  await expect(ExportDirectory.begin(out)).rejects.toThrow('is no directory')
})
