import { describe, expect, test } from 'bun:test'
import type { HostType } from '../../../src/sources/hosts/host-credential.ts'
import { isOf, ownerAddress } from '../../../src/sources/hosts/owner-address.ts'

/** Host, address of an owner, address of the API, name of the owner there. */
const ADDRESSES: readonly (readonly [HostType, string, string, string])[] = [
  ['github', 'https://github.com/acme', 'https://api.github.com', 'acme'],
  ['github', 'https://github.com/orgs/acme/', 'https://api.github.com', 'acme'],
  ['github', 'https://git.acme.example:8443/acme', 'https://git.acme.example:8443/api/v3', 'acme'],
  ['gitlab', 'https://gitlab.com/acme', 'https://gitlab.com/api/v4', 'acme'],
  ['gitlab', 'https://gitlab.example.com/group/sub', 'https://gitlab.example.com/api/v4', 'group/sub'],
  ['gitlab', 'https://gitlab.com/groups/acme/php', 'https://gitlab.com/api/v4', 'acme/php'],
  ['gitea', 'https://git.acme.example/acme', 'https://git.acme.example/api/v1', 'acme'],
  ['gitea', 'http://git.acme.example/sub/acme', 'http://git.acme.example/sub/api/v1', 'acme'],
  ['bitbucket', 'https://bitbucket.org/ws', 'https://api.bitbucket.org/2.0', 'ws'],
  ['bitbucket', 'https://dc.example/projects/KEY', 'https://dc.example/rest/api/latest', 'KEY'],
  ['bitbucket', 'https://dc.example/KEY', 'https://dc.example/rest/api/latest', 'KEY'],
  ['bitbucket', 'https://dc.example/ctx/projects/KEY', 'https://dc.example/ctx/rest/api/latest', 'KEY'],
  ['bitbucket', 'https://dc.example/ctx/scm/KEY', 'https://dc.example/ctx/rest/api/latest', 'KEY'],
  ['bitbucket', 'https://dc.example/users/ann', 'https://dc.example/rest/api/latest', '~ann'],
]

describe('the API and the owner behind an address', () => {
  for (const [host, url, apiBase, path] of ADDRESSES) {
    test(`${host} ${url}`, () => expect(ownerAddress(host, url).host).toMatchObject({ apiBase, path }))
  }

  test.each([
    ['github', 'https://github.com/'],
    ['github', 'https://github.com/acme/lib'],
    ['bitbucket', 'https://bitbucket.org/ws/lib'],
    ['gitlab', 'git@gitlab.com:group'],
    ['gitea', '/srv/git'],
    ['gitea', 'https://me:secret@git.example/acme'],
    ['gitea', 'https://git.example/acme?page=2'],
  ] as const)('are none of %s at %s', (host, url) => {
    expect(() => ownerAddress(host, url)).toThrow()
  })

  test('are the same for every spelling', () => {
    const keys = ['https://github.com/Acme', 'https://github.com/orgs/acme/', 'https://GitHub.com/acme']
    expect(new Set(keys.map((url) => ownerAddress('github', url).key)).size).toBe(1)
  })
})

test('a repository belongs to an owner by whole names', () => {
  expect(isOf('acme', 'Acme/lib')).toBe(true)
  expect(isOf('acme', 'acme-tools/lib')).toBe(false)
  expect(isOf('acme/php', 'acme/php/deep/lib')).toBe(true)
})
