import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sshTransport } from '../../src/git/ssh-transport.ts'
import { gitSource } from '../../src/sources/git.ts'
import type { Source, SourceCredentials } from '../../src/sources/source.ts'
import { source } from '../sources/support.ts'
import { GitFront } from './git-front.ts'
import { type GitServer, type GitServerOptions, startGitServer } from './git-http-server.ts'
import { createGitRepository, type RepositorySpec, type TestGitRepository } from './git-repository.ts'

/** A way in which repositories are reached, and a credential that opens them. */
export interface WaySpec {
  readonly name: string
  /** Over HTTP: how the server behaves, and which credential of which host opens it. */
  readonly http?: {
    readonly vcsType: string
    readonly credentials: SourceCredentials
    readonly server?: Partial<GitServerOptions>
  }
  readonly local?: 'path' | 'file' | 'ssh'
}

const over = (name: string, server: Partial<GitServerOptions>): WaySpec => ({
  name: `http, ${name}`,
  http: { vcsType: 'git', credentials: { type: 'none' }, server },
})
const token = (name: string, vcsType: string, text: string, user: string, server: Partial<GitServerOptions> = {}) =>
  host(name, vcsType, { type: 'token', token: text }, { user, password: text }, server)
const account = (name: string, vcsType: string, username: string, password: string, user = username) =>
  host(name, vcsType, { type: 'http_basic', username, password }, { user, password })

function host(
  name: string,
  vcsType: string,
  credentials: SourceCredentials,
  auth: { user: string; password: string },
  server: Partial<GitServerOptions> = {},
): WaySpec {
  return { name, http: { vcsType, credentials, server: { auth, ...server } } }
}

/** GitHub lets objects be asked for by id and allows few filters; Bitbucket Cloud allows none. */
const LIKE_GITHUB = { filters: 'github', anySha: true } as const

/** Every way; the user names are those that each host demands of git. */
export const WAYS: readonly WaySpec[] = [
  over('every filter', { filters: 'any', anySha: true }),
  over('every filter and no object by its id', { filters: 'any', anySha: false }),
  over('the filters of GitHub', { filters: 'github', anySha: true }),
  over('no filters', { filters: 'none', anySha: false }),
  { name: 'a path', local: 'path' },
  { name: 'a file: address', local: 'file' },
  { name: 'ssh', local: 'ssh' },
  token('GitHub, classic token', 'github', 'ghp_right', 'x-access-token', LIKE_GITHUB),
  token('GitHub, fine-grained token', 'github', 'github_pat_right', 'x-access-token', LIKE_GITHUB),
  account('GitHub, token with a user', 'github', 'octocat', 'ghp_right'),
  token('GitLab, access token', 'gitlab', 'glpat-right', 'oauth2'),
  account('GitLab, deploy token', 'gitlab', 'gitlab+deploy-token-1', 'gldt-right'),
  token('Bitbucket, access token', 'bitbucket', 'ATCTTright', 'x-token-auth', { filters: 'none' }),
  account('Bitbucket, API token', 'bitbucket', 'ann@acme.example', 'ATATTright', 'x-bitbucket-api-token-auth'),
  token('Bitbucket Data Center, HTTP access token', 'bitbucket', 'BBDC-right', 'x-token-auth'),
  token('Gitea, access token', 'gitea', 'a'.repeat(40), 'oauth2'),
  account('Gitea, user and password', 'gitea', 'ann', 'right-password'),
]

/** A way, with repositories that are reached by it. */
export class Way {
  /** Before the git server; null for a way that is not over HTTP. */
  readonly front: GitFront | null

  private constructor(
    private readonly spec: WaySpec,
    private readonly root: string,
    private readonly server: GitServer | null,
  ) {
    this.front = server === null ? null : new GitFront(server.url)
  }

  static async start(spec: WaySpec): Promise<Way> {
    const root = mkdtempSync(join(tmpdir(), 'package-broker-ways-'))
    mkdirSync(join(root, 'acme'))
    const server = spec.http === undefined ? null : await startGitServer({ root, ...spec.http.server })
    return new Way(spec, root, server)
  }

  repository(name: string, spec: RepositorySpec): TestGitRepository {
    return createGitRepository(join(this.root, 'acme', `${name}.git`), spec)
  }

  /** Where git finds it over HTTP. */
  url(name: string): string {
    return `${this.front?.url}/acme/${name}.git`
  }

  /** The source as a repository with the right credential opens it, or with another one. */
  async open(name: string, credentials = this.spec.http?.credentials): Promise<Source> {
    const path = join(this.root, 'acme', `${name}.git`)
    if (this.spec.local === 'ssh') return this.overSsh(path)
    if (this.spec.local === 'path') return source(path, { roots: [this.root] })
    if (this.spec.local === 'file') return source(`file://${path}`, { roots: [this.root] })
    return source(this.url(name), {
      vcsType: this.spec.http?.vcsType ?? 'git',
      credentials: credentials ?? { type: 'none' },
    })
  }

  async stop(): Promise<void> {
    await Promise.all([this.front?.stop(), this.server?.stop()])
    rmSync(this.root, { recursive: true, force: true })
  }

  /** An ssh that logs in nowhere: it says its host key and runs the command here, as a server's shell would. */
  private overSsh(path: string): Source {
    const program = join(this.root, 'ssh')
    const words = [
      '#!/bin/sh',
      `for word in "$@"; do case "$word" in UserKnownHostsFile=*) known="\${word#*=}";; esac; last="$word"; done`,
      `echo 'pinned ssh-ed25519 ${'A'.repeat(68)}' > "$known"`,
      'exec sh -c "$last"',
    ]
    writeFileSync(program, `${words.join('\n')}\n`)
    chmodSync(program, 0o755)
    const url = { kind: 'ssh', user: 'git', host: 'git.example.org', port: 22, path } as const
    return gitSource(sshTransport({ url, privateKey: null, hostKey: null, onHostKey: () => undefined, program }))
  }
}
