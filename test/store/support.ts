import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAppError, messageOf } from '../../src/errors.ts'
import { type Database, openDatabase } from '../../src/store/database.ts'
import { JobTable } from '../../src/store/jobs.ts'
import { migrate } from '../../src/store/migrate.ts'
import { PackageTable } from '../../src/store/packages.ts'
import { type RepositoryRow, RepositoryTable } from '../../src/store/repositories.ts'
import { type PackageChange, type SyncOutcome, SyncStateTable, type VersionDraft } from '../../src/store/sync-state.ts'

/** A directory of its own for one test file; `remove` deletes it. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'package-broker-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A migrated database with its tables. */
export interface TestStore {
  url: string
  db: Database
  repositories: RepositoryTable
  jobs: JobTable
  packages: PackageTable
  state: SyncStateTable
}

/** Migrates and opens the database at this address. */
export async function openStore(url: string): Promise<TestStore> {
  const address = { url, authToken: null }
  await migrate(address)
  const db = await openDatabase(address)
  return {
    url,
    db,
    repositories: new RepositoryTable(db),
    jobs: new JobTable(db),
    packages: new PackageTable(db),
    state: new SyncStateTable(db),
  }
}

/** A repository row with usual values. */
export function repositoryRow(id: string, change: Partial<RepositoryRow> = {}): RepositoryRow {
  return {
    id,
    url: `https://git.example.org/${id}.git`,
    urlKey: `git.example.org/${id}`,
    vcsType: 'git',
    credentialType: 'none',
    credentials: null,
    hostKey: null,
    packageFilter: null,
    composerJsonPaths: null,
    webhookSecret: null,
    webhookId: null,
    lastWebhookAt: null,
    discoveryId: null,
    syncInterval: null,
    archives: 'lazy',
    exposeSource: false,
    status: 'pending',
    errorCode: null,
    errorMessage: null,
    defaultBranch: null,
    refsDigest: null,
    failures: 0,
    lastSyncedAt: null,
    nextSyncAt: 100,
    createdAt: 100,
    updatedAt: 100,
    ...change,
  }
}

/** A tag as a sync would store it. */
export function versionDraft(version: string, reference: string, change: Partial<VersionDraft> = {}): VersionDraft {
  return {
    versionNormalized: `${version}.0`,
    version,
    stability: 'stable',
    kind: 'tag',
    refName: `refs/tags/${version}`,
    reference,
    path: '',
    blob: 'b'.repeat(40),
    alias: null,
    defaultBranch: false,
    time: '2024-01-01T00:00:00+00:00',
    releasedAt: 1_704_067_200,
    shasum: null,
    ...change,
  }
}

/** A package with these versions. */
export function packageChange(name: string, save: VersionDraft[], change: Partial<PackageChange> = {}): PackageChange {
  const summary = { prettyName: name, description: null, type: 'library', abandoned: false, latestVersion: '1.0.0' }
  return { name, summary, offered: true, save, hide: [], ...change }
}

/** The outcome of a sync that found these packages. */
export function outcomeOf(
  repositoryId: string,
  packages: PackageChange[],
  change: Partial<SyncOutcome> = {},
): SyncOutcome {
  return {
    repositoryId,
    refs: [],
    refsDigest: 'digest',
    basedOn: null,
    defaultBranch: 'main',
    commits: [],
    manifests: [],
    packages,
    nextSyncAt: 1_000,
    moves: [],
    problem: null,
    ...change,
  }
}

/** How a piece of work fails: the kind of the error and its sentence, or `none` when it does not fail. */
export async function failureOf(work: Promise<unknown>): Promise<{ kind: string; message: string }> {
  return work.then(
    () => ({ kind: 'none', message: '' }),
    (error: unknown) => ({ kind: isAppError(error) ? error.kind : 'unexpected', message: messageOf(error) }),
  )
}

/** A child process that runs `test/store/child.ts`; `lines` gives what it prints, one by one. */
export function startChild(...args: string[]) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'child.ts'), ...args], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const reader = child.stdout.getReader()
  let rest = ''
  async function line(): Promise<string> {
    for (;;) {
      const end = rest.indexOf('\n')
      if (end >= 0) {
        const found = rest.slice(0, end)
        rest = rest.slice(end + 1)
        return found
      }
      const { done, value } = await reader.read()
      if (done) throw new Error(`the child ended: ${rest}`)
      rest += new TextDecoder().decode(value)
    }
  }
  return {
    line,
    say: async (text: string) => {
      child.stdin.write(`${text}\n`)
      await child.stdin.flush()
    },
    kill: () => child.kill('SIGKILL'),
    exited: child.exited,
  }
}
