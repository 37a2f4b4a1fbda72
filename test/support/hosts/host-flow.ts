import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation } from '../binary.ts'
import type { ShownRepository } from '../broker.ts'
import type { ShownDiscovery } from '../discoveries.ts'
import { startGitServer } from '../git-http-server.ts'
import { createGitRepository, type RepositorySpec, type TestGitRepository } from '../git-repository.ts'
import { Management } from '../management.ts'
import type { DoubleRepository, HostDouble } from './host-double.ts'
import { HostStage } from './host-stage.ts'

/** A server that listens, and a host with git behind it: what a walk from a repository to `composer install` needs. */
export interface HostFlow {
  readonly double: HostDouble
  /** Where the server listens. */
  readonly url: string
  readonly api: Management
  /** A repository of the owner, at the host and in git. */
  repository(
    name: string,
    spec: RepositorySpec,
    facts?: Partial<DoubleRepository>,
  ): { hosted: DoubleRepository; source: TestGitRepository }
  /** Adds it with the token of the host, and waits for its first sync. */
  add(hosted: DoubleRepository, more?: Record<string, unknown>): Promise<ShownRepository>
  /** Has every repository of the owner added, with the token of the host, and waits for the end of the first look. */
  discover(): Promise<ShownDiscovery>
  /** Waits until the repository is as it should be by then. */
  until(id: string, ready: (view: ShownRepository) => boolean): Promise<ShownRepository>
  stop(): Promise<void>
}

const PATIENCE_MS = 30_000

/** The executable, and a host that one runs oneself: its API and its repositories are at the address of the double. */
export async function executableFlow(double: HostDouble): Promise<HostFlow> {
  const root = mkdtempSync(join(tmpdir(), 'package-broker-hosted-'))
  const git = await startGitServer({ root, filters: 'github', anySha: true })
  double.git = git.url
  const installation = await Installation.create()
  const server = await installation.serve()
  const api = new Management(server.url, server.adminToken)
  return {
    ...flow(double, api, (path) => join(root, path)),
    url: server.url,
    async stop() {
      await installation.remove()
      await Promise.all([git.stop(), double.stop()])
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** The program inside this process: the names of github.com, gitlab.com and bitbucket.org lead to the double. */
export async function cloudFlow(double: HostDouble): Promise<HostFlow> {
  const stage = await HostStage.start(double)
  const url = await stage.app.listen()
  const api = new Management(url, (await stage.app.token({ permissions: 'write' })).token)
  return {
    ...flow(
      double,
      api,
      (path) => stage.app.path(path),
      () => stage.app.passTo(stage.app.now() + 1),
    ),
    url,
    stop: () => stage.stop(),
  }
}

/** `pass` lets time pass for a server whose clock stands still. */
function flow(double: HostDouble, api: Management, pathOf: (path: string) => string, pass = async () => {}) {
  const shown = async <T>(path: string, ready: (view: T) => boolean): Promise<T> => {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const view = (await api.call('GET', path)) as T
      if (ready(view)) return view
      if (Date.now() > end) throw new Error(`${path} stays ${JSON.stringify(view)}`)
      await pass()
      await Bun.sleep(50)
    }
  }
  return {
    double,
    api,
    repository(name: string, spec: RepositorySpec, facts: Partial<DoubleRepository> = {}) {
      const hosted = double.add(name, facts)
      return { hosted, source: createGitRepository(pathOf(`${hosted.path}.git`), spec) }
    },
    async discover() {
      const url = `${double.site ?? double.origin}/${double.owner}`
      const created = await api.call('POST', '/api/discoveries', { url, ...credential(double) })
      const { id } = created as ShownDiscovery
      return shown<ShownDiscovery>(`/api/discoveries/${id}`, ({ looking, status }) => !looking && status !== 'pending')
    },
    until: (id: string, ready: (view: ShownRepository) => boolean) =>
      shown<ShownRepository>(`/api/repositories/${id}`, ready),
    add: (hosted: DoubleRepository, more: Record<string, unknown> = {}) =>
      api.addRepository((double.site ?? double.origin) + double.gitPath(hosted), { ...credential(double), ...more }),
  }
}

function credential(double: HostDouble): Record<string, unknown> {
  return { vcs_type: double.vcsType, credential_type: 'token', auth_credentials: double.token }
}
