import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { readMetrics } from '../support/metrics.ts'
import { type Broker, startBroker } from './broker.ts'
import type { Stage } from './documents.ts'
import type { Finding, Row } from './report.ts'
import { manifest, versionOf } from './repositories.ts'

const REPOSITORIES = 500
const TAGS = 200
/** Releases that share a composer.json. */
const PER_MANIFEST = 10
const GOAL = { probe: 10, requests: 505, bytes: 12_000_000, cpuSeconds: 30, peak: 400 * 1024 * 1024, p99: 50 }
/** Between two looks at how far the syncs are, and between two questions of a client meanwhile. Milliseconds. */
const LOOK_MS = 250
/** Between two questions after an owner in seconds, about; and how long they are watched. */
const PROBE_SECONDS = 30
const PROBES = 2
const ASK_MS = 10

type GitServer = Awaited<ReturnType<typeof startGitServer>>

/** Five hundred repositories: read for the first time while clients ask, and looked at again when nothing changed. */
export async function measureSweep({ work }: Stage, executable: string): Promise<Finding> {
  const root = join(work, 'sweep')
  mkdirSync(join(root, 'acme'), { recursive: true })
  for (let index = 0; index < REPOSITORIES; index++) createReleases(join(root, 'acme'), index)
  const git = await startGitServer({ root })
  const broker = await startBroker(executable, work, { SYNC_INTERVAL: '86400' })
  try {
    const rows = [...(await firstSync(git, broker)), ...(await unchanged(git, broker))]
    await broker.stop()
    rows.push(await probed(git, executable, work))
    return { rows, commands: [`sweep: ${REPOSITORIES} repositories with ${TAGS} tags each, over loopback`] }
  } finally {
    await broker.stop()
    await git.stop()
  }
}

function createReleases(root: string, index: number): void {
  const name = `sweep/part-${index}`
  const commits = Array.from({ length: TAGS }, (_, release) => ({
    files: {
      'composer.json': manifest(name, Math.floor(release / PER_MANIFEST)),
      'src/Part.php': `<?php // ${index} ${release}\n`,
    },
    tags: [versionOf(release)],
  }))
  createGitRepository(join(root, `part-${index}.git`), { commits }).git(['pack-refs', '--all'])
}

async function firstSync(git: GitServer, broker: Broker): Promise<Row[]> {
  await broker.addRepository(`${git.url}/acme/part-0.git`)
  const token = await broker.readonlyToken()
  git.requests.length = 0
  broker.forgetPeak()
  const began = performance.now()
  const client = askMeanwhile(`${broker.url}/p2/sweep/part-0.json?minified=1`, token)
  for (let index = 1; index < REPOSITORIES; index++) {
    await broker.api('POST', '/api/repositories', { url: `${git.url}/acme/part-${index}.git`, vcs_type: 'git' })
  }
  await settled(broker, REPOSITORIES)
  const seconds = (performance.now() - began) / 1_000
  const times = await client.stop()
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN
  const { peak } = broker.memory()
  const { requests, bytes } = traffic(git)
  const figure = `${seconds.toFixed(1)} s, ${requests} requests, ${megabytes(bytes)}`
  return [
    row(`first sync of ${REPOSITORIES} repositories`, figure, figure, 'the figure', true),
    row('peak memory of it', megabytes(peak), megabytes(peak), `≤ ${megabytes(GOAL.peak)}`, peak <= GOAL.peak),
    row(
      'p2 requests meanwhile, p99',
      `${p99.toFixed(1)} ms of ${times.length}`,
      `${p99.toFixed(1)} ms`,
      `≤ ${GOAL.p99} ms`,
      p99 <= GOAL.p99,
    ),
  ]
}

async function unchanged(git: GitServer, broker: Broker): Promise<Row[]> {
  const list = (await broker.api('GET', '/api/repositories?limit=1000')) as { id: string }[]
  git.requests.length = 0
  const [cpu, began] = [broker.cpuSeconds(), performance.now()]
  await Promise.all(list.map(({ id }) => broker.api('POST', `/api/repositories/${id}/sync`)))
  await settled(broker, REPOSITORIES)
  const seconds = (performance.now() - began) / 1_000
  const used = broker.cpuSeconds() - cpu
  const { requests, bytes } = traffic(git)
  const what = `sweep of ${REPOSITORIES} unchanged repositories`
  return [
    row(what, `${requests} requests`, `${requests} requests`, `≤ ${GOAL.requests}`, requests <= GOAL.requests),
    row(`${what}, on the wire`, megabytes(bytes), megabytes(bytes), `< ${megabytes(GOAL.bytes)}`, bytes < GOAL.bytes),
    row(
      `${what}, one core`,
      `${used.toFixed(1)} s of processor in ${seconds.toFixed(1)} s`,
      `${used.toFixed(1)} s`,
      `< ${GOAL.cpuSeconds} s`,
      used < GOAL.cpuSeconds,
    ),
  ]
}

/** The same repositories as those of one owner at a host, which is asked whether anything changed. */
async function probed(git: GitServer, executable: string, work: string): Promise<Row> {
  const double = new GithubDouble()
  double.git = git.url
  double.pageSize = 100
  for (let index = 0; index < REPOSITORIES; index++) double.add(`part-${index}`)
  const broker = await startBroker(executable, work, { PROBE_INTERVAL: String(PROBE_SECONDS) })
  try {
    const credential = { credential_type: 'token', auth_credentials: double.token }
    await broker.api('POST', '/api/discoveries', { url: `${double.origin}/acme`, vcs_type: 'github', ...credential })
    await settled(broker, REPOSITORIES)
    await Bun.sleep(PROBE_SECONDS * 1_000)
    double.seen.length = 0
    git.requests.length = 0
    await Bun.sleep(PROBES * PROBE_SECONDS * 1_000)
    const requests = double.seen.length + git.requests.length
    return row(
      `${PROBES} probes of their owner, nothing changed`,
      `${double.seen.length} requests to the API, ${git.requests.length} to git`,
      `${requests} requests`,
      `≤ ${GOAL.probe}`,
      requests <= GOAL.probe,
    )
  } finally {
    await broker.stop()
    await double.stop()
  }
}

/** Waits until no job is left and every repository is as its source offers it. */
export async function settled(broker: Broker, repositories: number): Promise<void> {
  for (;;) {
    const values = readMetrics(await broker.text('/metrics'))
    const jobs = [...values].filter(([name]) => name.startsWith('jobs{')).reduce((sum, [, value]) => sum + value, 0)
    if (jobs === 0 && values.get('repositories{status="active"}') === repositories) return
    if ((values.get('repositories{status="error"}') ?? 0) > 0) throw new Error('a repository could not be read')
    await Bun.sleep(LOOK_MS)
  }
}

/** A client that asks for one document again and again; `stop` gives the times of all answers in order, milliseconds. */
function askMeanwhile(url: string, token: string) {
  const times: number[] = []
  let going = true
  const asking = (async () => {
    while (going) {
      const began = performance.now()
      const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } })
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`a client was answered ${response.status}`)
      times.push(performance.now() - began)
      await Bun.sleep(ASK_MS)
    }
  })()
  return {
    async stop() {
      going = false
      await asking
      return times.sort((left, right) => left - right)
    },
  }
}

function traffic(git: GitServer): { requests: number; bytes: number } {
  return { requests: git.requests.length, bytes: git.requests.reduce((sum, request) => sum + request.bytesOut, 0) }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

function row(what: string, ours: string, result: string, goal: string, met: boolean): Row {
  return { what, ours, theirs: '–', result, goal, met }
}
