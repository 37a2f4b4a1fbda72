import { describe, expect, test } from 'bun:test'
import { isSafePath, type Manifest, manifestText, readManifest } from '../../src/bundle/manifest.ts'

const SHA256 = 'a'.repeat(64)
const MANIFEST: Manifest = {
  origin: 'https://packages.example.com/team',
  baseUrl: 'file:///srv/bundle',
  createdAt: 1_767_225_600,
  files: [
    {
      ...{ path: 'dist/acme/lib/1.0.0-00.zip', size: 12, sha256: SHA256 },
      archive: {
        ...{ package: 'acme/lib', version: '1.0.0', address: '/dist/acme/lib/1.0.0.zip' },
        ...{ reference: 'abc', sha1: 'b'.repeat(40) },
      },
    },
    { path: 'packages.json', size: 3, sha256: SHA256 },
  ],
}

test('a manifest is read as it was written', () => {
  expect(readManifest(manifestText(MANIFEST))).toEqual(MANIFEST)
})

/** The manifest with one thing changed. */
function changed(change: (manifest: Record<string, unknown> & { files: Record<string, unknown>[] }) => void): string {
  const manifest = JSON.parse(manifestText(MANIFEST))
  change(manifest)
  return JSON.stringify(manifest)
}

describe('refused', () => {
  test.each([
    ['', /is no JSON/],
    ['[]', /is no JSON object/],
    [changed((manifest) => void Object.assign(manifest, { format: 2 })), /its format is not 1/],
    [changed((manifest) => void Object.assign(manifest, { origin: 'file:///etc' })), /origin is no http address/],
    [
      changed((manifest) => void Object.assign(manifest, { origin: 'https://ann:secret@x.example' })),
      /without credentials/,
    ],
    [changed((manifest) => void manifest.files.push({ path: 'PACKAGES.json', size: 1, sha256: SHA256 })), /twice/],
    [changed((manifest) => void manifest.files.push({ path: 'manifest.json', size: 1, sha256: SHA256 })), /no path/],
    [changed((manifest) => void manifest.files.push({ path: 'x', size: -1, sha256: SHA256 })), /the size of x/],
    [changed((manifest) => void manifest.files.push({ path: 'x', size: 1, sha256: 'A'.repeat(64) })), /SHA-256 of x/],
    [changed((manifest) => void manifest.files.push({ path: 'x', size: 1, sha256: SHA256, archive: {} })), /unclear/],
  ])('what is no complete one, number %#', (text, reason) => {
    expect(() => readManifest(text)).toThrow(reason)
  })

  test.each([
    '/etc/passwd',
    '../up',
    'dist/../../up',
    'dist/./x',
    'dist//x',
    'dist/',
    '',
    'C:\\x',
    'dist\\..\\x',
    'x\0y',
    'x y',
    'dist/%2e%2e/x',
    'a/'.repeat(600),
  ])('the path %j', (path) => {
    expect(isSafePath(path)).toBe(false)
    expect(() => readManifest(changed(({ files }) => void files.push({ path, size: 1, sha256: SHA256 })))).toThrow(
      /is no path of a file in it/,
    )
  })
})

test.each(['packages.json', 'p2/acme/lib~dev.json', 'dist/acme/lib/1.0.0+1-ab.tar.gz', 'dist/a/b/..x'])(
  'the path %s is safe',
  (path) => expect(isSafePath(path)).toBe(true),
)
