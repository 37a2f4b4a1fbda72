import { renameSync } from 'node:fs'
import { TestApp } from '../app.ts'
import type { ShownRepository } from '../broker.ts'
import { type GitServer, startGitServer } from '../git-http-server.ts'
import { createGitRepository, type RepositorySpec, type TestGitRepository } from '../git-repository.ts'
import type { DoubleRepository, HostDouble } from './host-double.ts'

/** A repository as the API shows it, with what its host says. */
export interface HostedView extends ShownRepository {
  url: string
  error_code: string | null
  host: Record<string, unknown> | null
  host_error: { code: string; message: string; at: number } | null
}

/** The whole program, the stand-in of a host, and `git http-backend` behind that. */
export class HostStage<Double extends HostDouble = HostDouble> {
  private constructor(
    readonly app: TestApp,
    readonly double: Double,
    private readonly git: GitServer,
  ) {}

  static async start<Double extends HostDouble>(double: Double): Promise<HostStage<Double>> {
    const app = await TestApp.start({}, undefined, { fetch: reaching(double), resolve: async () => ['127.0.0.1'] })
    const git = await startGitServer({ root: app.path('') })
    double.git = git.url
    return new HostStage(app, double, git)
  }

  /** A repository of the owner, at the host and in git. */
  repository(
    name: string,
    spec: RepositorySpec,
    facts: Partial<DoubleRepository> = {},
  ): { hosted: DoubleRepository; source: TestGitRepository } {
    const hosted = this.double.add(name, facts)
    return { hosted, source: createGitRepository(this.app.path(`${hosted.path}.git`), spec) }
  }

  /** Its address. */
  url(hosted: Pick<DoubleRepository, 'path'>): string {
    return (this.double.site ?? this.double.origin) + this.double.gitPath(hosted)
  }

  /** A body that adds it, with the token of the host. */
  body(hosted: Pick<DoubleRepository, 'path'>, more: Record<string, unknown> = {}): Record<string, unknown> {
    const credential = { credential_type: 'token', auth_credentials: this.double.token }
    return { url: this.url(hosted), vcs_type: this.double.vcsType, ...credential, ...more }
  }

  /** Adds it and waits for its first sync. */
  async add(hosted: Pick<DoubleRepository, 'path'>, more: Record<string, unknown> = {}): Promise<HostedView> {
    const { url, ...spec } = this.body(hosted, more)
    return (await this.app.addRepository(String(url), spec)) as HostedView
  }

  /** Lets so many hours pass, syncs, and waits for the end. */
  async syncAfter(hours: number, { id }: Pick<HostedView, 'id'>): Promise<HostedView> {
    this.app.clock.now += hours * 3_600
    return (await this.app.sync(id)) as HostedView
  }

  /** It has another path at the host and in git since then. */
  rename(hosted: DoubleRepository, name: string): void {
    const before = this.app.path(`${hosted.path}.git`)
    hosted.path = this.double.pathOf(name)
    renameSync(before, this.app.path(`${hosted.path}.git`))
  }

  /** Questions after facts that the API was asked. */
  factsAsked(): string[] {
    return this.double.seen.map(({ path }) => path).filter((path) => !path.endsWith('/default-branch'))
  }

  async stop(): Promise<void> {
    await this.app.stop()
    await Promise.all([this.git.stop(), this.double.stop()])
  }
}

/** Some hosts have their API on another name, and none is here: all lead to the double. */
function reaching(double: HostDouble): typeof fetch {
  const send = (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input))
    const stand = /^(?:(?:api\.)?(?:bitbucket\.org|github\.com)|gitlab\.com)$/.test(url.hostname)
    return fetch(stand ? `${double.origin}${url.pathname}${url.search}` : url, init)
  }
  return Object.assign(send, { preconnect: fetch.preconnect })
}
