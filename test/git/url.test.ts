import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localRepositoryPath } from '../../src/git/local-path.ts'
import { normalizedGitUrl, parseGitUrl } from '../../src/git/url.ts'

describe('parseGitUrl', () => {
  test('every form that git clone takes', () => {
    expect(parseGitUrl('https://GitHub.com/acme/lib.git/')).toEqual({
      kind: 'http',
      url: 'https://github.com/acme/lib.git',
      host: 'github.com',
      path: '/acme/lib.git',
    })
    expect(parseGitUrl('http://git.example.org:8080/lib')).toMatchObject({ host: 'git.example.org:8080', path: '/lib' })
    expect(parseGitUrl('git@github.com:acme/lib.git')).toEqual({
      kind: 'ssh',
      user: 'git',
      host: 'github.com',
      port: null,
      path: 'acme/lib.git',
    })
    expect(parseGitUrl('example.org:lib')).toMatchObject({ kind: 'ssh', user: null, host: 'example.org', path: 'lib' })
    expect(parseGitUrl('git@[::1]:lib.git')).toMatchObject({ host: '::1', path: 'lib.git' })
    expect(parseGitUrl('ssh://git@example.org:2222/a%20b.git')).toMatchObject({ port: 2222, path: '/a b.git' })
    expect(parseGitUrl('ssh://[::1]:22/lib.git')).toMatchObject({ host: '::1', port: 22 })
    expect(parseGitUrl('ssh://example.org/~ann/lib.git')).toMatchObject({ path: '~ann/lib.git' })
    expect(parseGitUrl('file:///srv/git/a%20b.git')).toEqual({ kind: 'file', path: '/srv/git/a b.git' })
    expect(parseGitUrl('file://localhost/srv/lib.git')).toEqual({ kind: 'file', path: '/srv/lib.git' })
    expect(parseGitUrl('/srv/git/lib.git')).toEqual({ kind: 'file', path: '/srv/git/lib.git' })
  })

  const refused = [
    '',
    'lib.git',
    '../lib.git',
    './a:b',
    'C',
    'git://example.org/lib.git',
    'ext::sh -c id',
    'ftp://example.org/x',
    'https://',
    'https://example.org/x?access_token=1',
    'https://example.org/x#y',
    'file://host/share',
    'file://relative',
    '-oProxyCommand=id:x',
    'ssh://-oProxyCommand=id/x',
    'ssh://-l@host/x',
    'git@-host:x',
    '-u@host:x',
    'host:-x',
    'host:',
    'ssh://host',
    'ssh://host/',
    'ssh://host:0/x',
    'ssh://host:99999/x',
    'ssh://host:22x/x',
    'ssh://ho$st/x',
    'ssh://ho`st`/x',
    'git@ho st:x',
    'https://example.org/a\nb',
    'ssh://host/a%0ab',
    'ssh://host/%zz',
    'file:///a%00b',
    `https://example.org/${'x'.repeat(2000)}`,
    'git@a:b@c:d/e\u0000',
  ]
  for (const url of refused) {
    test(`refused: ${JSON.stringify(url.slice(0, 60))}`, () => {
      expect(() => parseGitUrl(url)).toThrow(expect.objectContaining({ kind: 'invalid' }))
    })
  }

  test('credentials inside are refused and not repeated', () => {
    for (const url of [
      'https://me:secret@example.org/x',
      'https://secret@example.org/x',
      'ssh://me:secret@example.org/x',
      'me:secret@example.org:x',
    ]) {
      let message = ''
      try {
        parseGitUrl(url)
      } catch (error) {
        message = String(error)
      }
      expect(message).not.toBe('')
      expect(message).not.toContain('secret')
      expect(message).toContain('auth_credentials')
    }
  })
})

test('normalizedGitUrl is the same for every way to one repository, and for nothing else', () => {
  const same = [
    'https://github.com/acme/lib',
    'https://github.com/acme/lib.git',
    'http://GITHUB.com/acme/lib.git/',
    'git@github.com:acme/lib.git',
    'ssh://git@github.com/acme/lib',
    'ssh://github.com:22//acme//lib.git',
    'https://github.com:443/acme/lib',
    'github.com:/acme/lib',
  ]
  expect([...new Set(same.map(normalizedGitUrl))]).toEqual(['github.com/acme/lib'])
  const others = [
    'https://github.com/acme/Lib',
    'https://github.com/acme/lib2',
    'https://github.com:8443/acme/lib',
    '/acme/lib',
    'https://gitlab.com/acme/lib',
  ]
  expect(new Set([...same, ...others].map(normalizedGitUrl)).size).toBe(6)
})

describe('localRepositoryPath', () => {
  let root = ''
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'git-local-path-')))
    mkdirSync(join(root, 'allowed/lib.git'), { recursive: true })
    mkdirSync(join(root, 'allowed/work/.git'), { recursive: true })
    mkdirSync(join(root, 'allowed-not/lib.git'), { recursive: true })
    mkdirSync(join(root, 'allowed/escaping'), { recursive: true })
    symlinkSync(join(root, 'allowed-not/lib.git'), join(root, 'allowed/link'))
    symlinkSync(join(root, 'allowed-not/lib.git'), join(root, 'allowed/escaping/.git'))
    symlinkSync(join(root, 'allowed'), join(root, 'other-name'))
    writeFileSync(join(root, 'allowed/file'), '')
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  test('inside the roots, with links resolved', () => {
    const roots = [join(root, 'other-name')]
    expect(localRepositoryPath(`file://${root}/allowed/lib.git`, roots)).toBe(join(root, 'allowed/lib.git'))
    expect(localRepositoryPath(join(root, 'other-name/lib.git'), roots)).toBe(join(root, 'allowed/lib.git'))
    expect(localRepositoryPath(join(root, 'allowed/work'), roots)).toBe(join(root, 'allowed/work/.git'))
  })

  test('nothing else, with one sentence for all', () => {
    const refusals = new Set<string>()
    for (const path of [
      'allowed-not/lib.git',
      'allowed/../allowed-not/lib.git',
      'allowed/link',
      'allowed/escaping',
      'allowed/file',
      'allowed/none',
      '.',
    ]) {
      try {
        localRepositoryPath(`${root}/${path}`, [join(root, 'allowed')])
        refusals.add(`accepted ${path}`)
      } catch (error) {
        refusals.add(String(error))
      }
    }
    expect([...refusals]).toEqual([expect.stringContaining('not a directory inside')])
    expect(() => localRepositoryPath(join(root, 'allowed/lib.git'), [])).toThrow('not a directory inside')
    expect(() => localRepositoryPath('https://example.org/x', ['/'])).toThrow('file://')
  })
})
