import { describe, expect, test } from 'bun:test'
import type { HostType } from '../../../src/sources/hosts/host-credential.ts'
import { hostAddress, openHost } from '../../../src/sources/hosts/open-host.ts'
import { GiteaDouble } from '../../support/hosts/gitea-double.ts'
import { egress, githubApps, soon } from '../support.ts'

/** Host, address of a repository, address of the API, path in it. */
const ADDRESSES: readonly (readonly [HostType, string, string, string])[] = [
  ['github', 'https://github.com/acme/lib.git', 'https://api.github.com', 'acme/lib'],
  ['github', 'git@github.com:acme/lib.git', 'https://api.github.com', 'acme/lib'],
  ['github', 'https://git.acme.example:8443/acme/lib', 'https://git.acme.example:8443/api/v3', 'acme/lib'],
  ['gitlab', 'https://gitlab.com/acme/php/lib.git', 'https://gitlab.com/api/v4', 'acme/php/lib'],
  ['gitea', 'https://git.acme.example/sub/acme/lib.git', 'https://git.acme.example/sub/api/v1', 'acme/lib'],
  ['bitbucket', 'https://bitbucket.org/acme/lib', 'https://api.bitbucket.org/2.0', 'acme/lib'],
  ['bitbucket', 'https://dc.example/ctx/scm/ACME/lib.git', 'https://dc.example/ctx/rest/api/latest', 'ACME/lib'],
  ['bitbucket', 'ssh://git@dc.example:7999/ACME/lib.git', 'https://dc.example/rest/api/latest', 'ACME/lib'],
]

describe('the API behind an address', () => {
  for (const [host, url, apiBase, path] of ADDRESSES) {
    test(url, () => expect(hostAddress(host, url)).toMatchObject({ apiBase, path }))
  }

  test('none behind an address without a repository, or a directory', () => {
    expect(() => hostAddress('github', 'https://github.com/acme')).toThrow('owner and repository')
    expect(() => hostAddress('github', '/srv/git/lib.git')).toThrow('vcs_type git')
  })
})

test('a host is opened with the credential of its repository', async () => {
  const double = new GiteaDouble()
  try {
    double.add('lib')
    const address = hostAddress('gitea', `${double.origin}/acme/lib.git`)
    const http = egress('127.0.0.0/8')
    const host = openHost('gitea', address, { type: 'token', token: double.token }, http, githubApps(http))
    expect(await host.facts({ path: address.path, id: null }, soon())).toMatchObject({ path: 'acme/lib' })
  } finally {
    await double.stop()
  }
})

test('a GitHub App is for GitHub', () => {
  const app = { type: 'github_app', appId: '1', installationId: '2', privateKey: '' } as const
  const address = hostAddress('gitlab', 'https://gitlab.com/acme/lib')
  const http = egress('127.0.0.0/8')
  expect(() => openHost('gitlab', address, app, http, githubApps(http))).toThrow('token')
})
