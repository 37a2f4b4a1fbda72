import { mkdtempSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { startGitServer } from '../support/git-http-server.ts'
import { startBroker } from './broker.ts'
import type { Stage } from './documents.ts'
import { type Finding, median, type Row } from './report.ts'
import { createLongHistory } from './repositories.ts'

const NAME = 'bench/history'
/** Read before by a server that has been running for a while. */
const OTHER = 'other.git'
const GOAL = { times: 40, requests: 5, bytes: 1_000_000 }
const ROUNDS = 5
/** Composer takes many seconds for each reading, so it reads less often. */
const COMPOSER_ROUNDS = 2

interface Reading {
  readonly ms: number
  readonly requests: number
  readonly bytes: number
}

/** First sync over HTTP against Composer's own reading of the same address, as Satis does it. */
export async function measureFirstSync({ work }: Stage, executable: string): Promise<Finding> {
  const synthetic = join(work, 'git/history.git')
  const shape = { releases: 640, manifests: 60, branches: 30, files: 400 }
  createLongHistory(synthetic, { name: NAME, ...shape })
  createLongHistory(join(work, 'git', OTHER), { name: 'bench/other', ...shape })
  const rows = [...(await measure('640 tags, 30 branches', synthetic, executable, work))]
  const given = process.env.BENCH_REPOSITORY
  if (given !== undefined) rows.push(...(await measure('BENCH_REPOSITORY', resolve(given), executable, work)))
  return {
    rows,
    commands: ['first sync: POST /api/repositories until active; composer show --available with a cold cache'],
  }
}

async function measure(label: string, path: string, executable: string, work: string): Promise<Row[]> {
  const git = await startGitServer({ root: dirname(path) })
  const others = await startGitServer({ root: join(work, 'git') })
  const url = `${git.url}/${basename(path)}`
  try {
    const fresh: Reading[] = []
    const running: Reading[] = []
    for (let round = 0; round < ROUNDS; round++) {
      fresh.push(await syncOnce(git, url, executable, work, null))
      running.push(await syncOnce(git, url, executable, work, `${others.url}/${OTHER}`))
    }
    const theirs: Reading[] = []
    for (let round = 0; round < COMPOSER_ROUNDS; round++) theirs.push(await composerOnce(git, url, work))
    return rowsOf(label, { fresh, running, theirs })
  } finally {
    await git.stop()
    await others.stop()
  }
}

type GitServer = Awaited<ReturnType<typeof startGitServer>>

/** In a process that has just started, or in one that has read another repository before. */
async function syncOnce(
  git: GitServer,
  url: string,
  executable: string,
  work: string,
  before: string | null,
): Promise<Reading> {
  const broker = await startBroker(executable, work)
  if (before !== null) await broker.addRepository(before)
  git.requests.length = 0
  const ms = await broker.addRepository(url)
  await broker.stop()
  return { ms, ...traffic(git) }
}

/** Composer lists every version of the repository, which makes it read each tag and branch. */
async function composerOnce(git: GitServer, url: string, work: string): Promise<Reading> {
  const home = mkdtempSync(join(work, 'composer-'))
  const repositories = [{ type: 'vcs', url }, { packagist: false }]
  const config = { 'secure-http': false }
  await Bun.write(join(home, 'composer.json'), JSON.stringify({ name: 'bench/reader', repositories, config }))
  git.requests.length = 0
  const started = performance.now()
  const composer = Bun.spawn(['composer', 'show', '--available', '--no-interaction'], {
    cwd: home,
    env: composerEnvironment(home),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [shown, problems] = await Promise.all([
    new Response(composer.stdout).text(),
    new Response(composer.stderr).text(),
    composer.exited,
  ])
  const ms = performance.now() - started
  if (composer.exitCode !== 0 || shown.trim() === '') throw new Error(`composer read nothing: ${shown}${problems}`)
  return { ms, ...traffic(git) }
}

/** A Composer without memory: home and cache in a directory of their own. */
export function composerEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    COMPOSER_HOME: join(home, '.composer'),
    COMPOSER_CACHE_DIR: join(home, '.composer-cache'),
    COMPOSER_ALLOW_SUPERUSER: '1',
    COMPOSER_NO_INTERACTION: '1',
  }
}

function traffic(git: GitServer): { requests: number; bytes: number } {
  return { requests: git.requests.length, bytes: git.requests.reduce((sum, request) => sum + request.bytesOut, 0) }
}

interface Readings {
  readonly fresh: readonly Reading[]
  readonly running: readonly Reading[]
  readonly theirs: readonly Reading[]
}

function rowsOf(label: string, { fresh, running, theirs }: Readings): Row[] {
  const [requests, bytes] = [middle(fresh, 'requests'), middle(fresh, 'bytes')]
  return [
    speedRow(`first sync, ${label}, running server`, running, theirs),
    speedRow(`first sync, ${label}, process just started`, fresh, theirs),
    {
      what: `traffic of a first sync, ${label}`,
      ours: `${requests} requests, ${(bytes / 1000).toFixed(0)} kB`,
      theirs: `Composer ${middle(theirs, 'requests')} requests, ${(middle(theirs, 'bytes') / 1000).toFixed(0)} kB`,
      result: `${requests} requests, ${(bytes / 1000).toFixed(0)} kB`,
      goal: `≤ ${GOAL.requests} requests, ≤ ${GOAL.bytes / 1e6} MB`,
      met: requests <= GOAL.requests && bytes <= GOAL.bytes,
    },
  ]
}

function speedRow(what: string, ours: readonly Reading[], theirs: readonly Reading[]): Row {
  const times = middle(theirs, 'ms') / middle(ours, 'ms')
  return {
    what,
    ours: `${middle(ours, 'ms').toFixed(0)} ms`,
    theirs: `Composer ${middle(theirs, 'ms').toFixed(0)} ms`,
    result: `${times.toFixed(0)} times faster`,
    goal: `≥ ${GOAL.times} times`,
    met: times >= GOAL.times,
  }
}

function middle(readings: readonly Reading[], field: keyof Reading): number {
  return median(readings.map((reading) => reading[field]))
}
