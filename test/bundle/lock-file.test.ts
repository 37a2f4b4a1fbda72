import { describe, expect, test } from 'bun:test'
import { type LockFile, readLockFile, withAddresses } from '../../src/bundle/lock-file.ts'

const TEXT = `{
    "content-hash": "00ff",
    "packages": [
        {
            "name": "Acme/Lib",
            "version": "v1.0",
            "dist": {
                "type": "zip",
                "url": "https://old.example/a\\/b.zip",
                "reference": "abc",
                "shasum": "",
                "mirrors": [{"url": "https://mirror.example/%package%", "preferred": true}]
            },
            "notification-url": "https://ann:secret@old.example/downloads",
            "transport-options": {"http": {"header": ["Authorization: Bearer secret"]}},
            "weight": 1.0
        },
        {"name": "acme/meta", "version": "2", "type": "metapackage"}
    ],
    "packages-dev": [{"name": "acme/dev", "version": "dev-main", "source": {"type": "git", "url": "https://ann:secret@git.example/x", "reference": "def"}}],
    "aliases": [],
    "platform": {}
}
`

describe('reading', () => {
  test('packages with what identifies them', () => {
    const read = readLockFile(TEXT).packages.map(({ fields: _, ...rest }) => rest)
    expect(read).toEqual([
      {
        ...{ name: 'acme/lib', version: 'v1.0', dev: false, reference: 'abc' },
        dist: { url: 'https://old.example/a/b.zip', shasum: '' },
      },
      { name: 'acme/meta', version: '2', dev: false, reference: '', dist: null },
      { name: 'acme/dev', version: 'dev-main', dev: true, reference: 'def', dist: null },
    ])
  })

  test.each([
    ['{', /invalid JSON at line 1/],
    ['[]', /no object/],
    ['{}', /has no list of packages/],
    ['{"packages":{}}', /has no list of packages/],
    ['{"packages":[1]}', /is no object/],
    ['{"packages":[{"name":"../../etc","version":"1"}]}', /is no package name/],
    ['{"packages":[{"name":"acme/lib"}]}', /the version of acme\/lib is none/],
    [`{"packages":[{"name":"acme/lib","version":"${'1'.repeat(300)}"}]}`, /the version of acme\/lib is none/],
    [`{"aliases":${'['.repeat(600)}${']'.repeat(600)}}`, /nested deeper/],
    [`{"packages":[${'{"name":"a/b","version":"1"},'.repeat(10_000)}{"name":"a/b","version":"1"}]}`, /more than 10000/],
  ])('what is none, number %#', (text, reason) => {
    expect(() => readLockFile(text)).toThrow(reason)
  })
})

describe('other addresses', () => {
  const rewrite = (lock: LockFile) => withAddresses(lock, ({ name }) => `file:///out/${name}.zip`)

  test('take the place of the old ones; every other byte stays', () => {
    const expected = TEXT.replace('https://old.example/a\\/b.zip', 'file:///out/acme/lib.zip')
      .replace('[{"url": "https://mirror.example/%package%", "preferred": true}]', '[]')
      .replace('{"http": {"header": ["Authorization: Bearer secret"]}}', '[]')
      .replaceAll('ann:secret@', '')
    const rewritten = rewrite(readLockFile(TEXT))
    expect(rewritten).toBe(expected)
    expect(rewritten).not.toContain('secret')
  })

  test('an address that is not given stays', () => {
    const text = '{"packages":[{"name":"a/b","version":"1","dist":{"url":"https://x.example/1.zip"}}]}'
    expect(withAddresses(readLockFile(text), () => null)).toBe(text)
  })
})
