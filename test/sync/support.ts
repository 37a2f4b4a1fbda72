import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ArchiveStore } from '../../src/archives/archive-store.ts'
import { createSecretBox } from '../../src/auth/secret-box.ts'
import { parseNetworks } from '../../src/networks.ts'
import { createLogger } from '../../src/observability/logger.ts'
import type { Resolve } from '../../src/sources/address-guard.ts'
import { GithubApps } from '../../src/sources/hosts/github-apps.ts'
import { createUpstreamHttp } from '../../src/sources/upstream-http.ts'
import { ArchiveTable } from '../../src/store/archives.ts'
import { HostRepositoryTable } from '../../src/store/host-repositories.ts'
import { JobHolds } from '../../src/store/job-holds.ts'
import type { RepositoryRow } from '../../src/store/repositories.ts'
import type { VersionRow } from '../../src/store/sync-state.ts'
import { HostBudgets } from '../../src/sync/host-budgets.ts'
import { HostFacts } from '../../src/sync/host-facts.ts'
import { placeFinder } from '../../src/sync/job-place.ts'
import { PRIORITY, SyncQueue } from '../../src/sync/queue.ts'
import { hostOpener } from '../../src/sync/repository-host.ts'
import { sourceOpener } from '../../src/sync/repository-source.ts'
import { nextLook } from '../../src/sync/schedule.ts'
import { syncRepository } from '../../src/sync/sync-repository.ts'
import { openStore, repositoryRow, type TestStore } from '../store/support.ts'
import { type Fault, GitFront } from '../support/git-front.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type RepositorySpec, type TestGitRepository } from '../support/git-repository.ts'

/** Everything from the queue to a real git server, in one directory, with a clock that tests turn. */
export class SyncStage {
  /** Unix seconds. */
  now = 1_800_000_000
  readonly logged: string[] = []
  private ids = 0

  private constructor(
    readonly directory: string,
    readonly store: TestStore,
    readonly archives: ArchiveStore,
    readonly queue: SyncQueue,
    readonly git: GitServer,
    private readonly front: GitFront,
    private readonly openSource: ReturnType<typeof sourceOpener>,
  ) {}

  static async open(
    options: { allowed?: string; resolve?: Resolve; concurrency?: number; interval?: number } = {},
  ): Promise<SyncStage> {
    const directory = mkdtempSync(join(tmpdir(), 'package-broker-sync-'))
    const store = await openStore(`file:${directory}/test.db`)
    const index = new ArchiveTable(store.db)
    const archives = await ArchiveStore.open({ directory: `${directory}/archives`, maxBytes: 0, index })
    const git = await startGitServer({ root: directory })
    let stage: SyncStage | null = null
    const front = new GitFront(git.url)
    const now = () => stage?.now ?? 0
    const write = (line: string) => void stage?.logged.push(line)
    const logger = createLogger({ level: 'debug', format: 'json', write })
    const http = createUpstreamHttp({
      allowedNetworks: parseNetworks(options.allowed ?? '127.0.0.0/8'),
      ...(options.resolve ? { resolve: options.resolve } : {}),
    })
    const githubApps = new GithubApps(http, now)
    const { repositories, state, jobs } = store
    const secretBox = createSecretBox(new Uint8Array(32))
    const budgets = new HostBudgets(now)
    const forSources = { secretBox, http, githubApps, repositories, budgets, now }
    const openSource = sourceOpener({ ...forSources, localRoots: [directory] })
    const parts = {
      repositories,
      state,
      openSource,
      hostFacts: new HostFacts({
        openHost: hostOpener(forSources),
        hostRepositories: new HostRepositoryTable(store.db),
        now,
        logger,
      }),
      archives: {
        known: (id: string) => index.shasums(id),
        build: async (...[place, source, { signal }]: BuildArguments) =>
          (await archives.get(place, (stop) => source.snapshot(place.reference, place.path, stop), { signal })).sha1,
      },
      nextLookAt: async (row: RepositoryRow) => nextLook(row.syncInterval ?? options.interval ?? 900, now()),
      now,
      logger,
    }
    const queue = new SyncQueue({
      jobs,
      holds: new JobHolds(store.db),
      repositories,
      placeOf: placeFinder(secretBox),
      budgets,
      work: ({ repositoryId, acceptRemovals }, report, signal) =>
        syncRepository(parts, { repositoryId, acceptRemovals, report, signal }),
      onDone: () => {},
      concurrency: options.concurrency ?? 2,
      now,
      logger,
    })
    stage = new SyncStage(directory, store, archives, queue, git, front, openSource)
    queue.start()
    return stage
  }

  /** Answers in place of the git server while it is set. */
  get fault(): Fault | null {
    return this.front.fault
  }

  set fault(fault: Fault | null) {
    this.front.fault = fault
  }

  /** Requests that reached the git server's address, newest last. */
  get requests() {
    return this.front.requests
  }

  /** A git repository that the server offers as `name`. */
  repository(name: string, spec: RepositorySpec): TestGitRepository {
    return createGitRepository(join(this.directory, `${name}.git`), spec)
  }

  /** Where the server offers it. */
  url(name: string): string {
    return `${this.front.url}/${name}.git`
  }

  /** Adds a repository to synchronise and returns its id. */
  async add(name: string, change: Partial<RepositoryRow> = {}): Promise<string> {
    const id = `repo_${this.ids++}`
    await this.store.repositories.insert(repositoryRow(id, { url: this.url(name), nextSyncAt: this.now, ...change }))
    return id
  }

  /** Synchronises it now, waits for the end, and returns the row as it is then. */
  async sync(id: string, options: { acceptRemovals?: boolean } = {}): Promise<RepositoryRow> {
    const job = await this.queue.request(id, PRIORITY.requested, options)
    for (let waited = 0; waited < 15_000; waited += 5) {
      const state = (await this.store.jobs.find(job.id))?.state
      if (state === 'done' || state === 'failed') return this.row(id)
      await Bun.sleep(5)
    }
    throw new Error(`the sync of ${id} did not end`)
  }

  async row(id: string): Promise<RepositoryRow> {
    const row = await this.store.repositories.find(id)
    if (!row) throw new Error(`${id} is gone`)
    return row
  }

  /** All versions of a repository, hidden ones included, each with the name of its package. */
  async stored(id: string): Promise<(VersionRow & { name: string })[]> {
    const { packages } = await this.store.state.load(id)
    return packages.flatMap(({ name, versions }) => versions.map((version) => ({ name, ...version })))
  }

  /** `name version` of what is offered, in order. */
  async offered(id: string): Promise<string[]> {
    const rows = (await this.stored(id)).filter((row) => row.hiddenAt === null)
    return rows.map((row) => `${row.name} ${row.version}`).sort()
  }

  async version(id: string, version: string): Promise<VersionRow> {
    const row = (await this.stored(id)).find((entry) => entry.version === version)
    if (!row) throw new Error(`there is no ${version}`)
    return row
  }

  /** Builds the archive of a commit as a download does, and returns its SHA-1. */
  async download(id: string, reference: string, path = ''): Promise<string> {
    const source = await this.openSource(await this.row(id))
    const key = { repositoryId: id, reference, path }
    return (await this.archives.get(key, (stop) => source.snapshot(reference, path, stop))).sha1
  }

  /** Issues by ref. */
  async issues(id: string): Promise<Record<string, string>> {
    return Object.fromEntries((await this.store.repositories.issues(id)).map(({ ref, reason }) => [ref, reason]))
  }

  async close(): Promise<void> {
    await this.queue.stop(0)
    await this.archives.stop()
    await this.store.db.close()
    await Promise.all([this.front.stop(), this.git.stop()])
    rmSync(this.directory, { recursive: true, force: true })
  }
}

type BuildArguments = Parameters<Parameters<typeof syncRepository>[0]['archives']['build']>

/** A composer.json. */
export function manifest(name: string, fields: Record<string, unknown> = {}): string {
  return JSON.stringify({ name, description: 'A library', ...fields })
}

/** Two tags and `main` of one package. */
export function simple(name = 'acme/lib'): RepositorySpec {
  const file = (text: string) => ({ 'composer.json': manifest(name), 'src/a.php': `<?php // ${text}` })
  return {
    commits: [
      { files: file('one'), tags: ['v1.0.0'] },
      { files: file('two'), annotatedTags: ['v1.1.0'] },
      { files: file('three') },
    ],
  }
}
