import { mkdirSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createGitRepository } from '../support/git-repository.ts'
import { type Broker, startBroker } from './broker.ts'
import type { Stage } from './documents.ts'
import { type Finding, median, type Row } from './report.ts'
import { createHeavyRepository, createLongHistory, manifest, noise, versionOf } from './repositories.ts'
import { settled } from './sweep.ts'
import { answered, type Load, shownCommand } from './wrk.ts'

const ROUNDS = 5
const SECONDS = 4
const MIB = 1024 * 1024
const GOAL = { rate: 3_000, p99: 50, p99OfMany: 500, steady: 256 * MIB, peak: 400 * MIB }
/** Repositories that are read for the first time, and tags of each. */
const REPOSITORIES = 100
const TAGS = 100
/** Repositories of the other loads. */
const ADDED_BEFORE = 3
const UPLOAD_BYTES = 200 * MIB

/** A broker of its own under each kind of load: what it answers, and what memory it takes. */
export async function measureLoad({ work }: Stage, executable: string): Promise<Finding> {
  const root = join(work, 'load')
  mkdirSync(root)
  const broker = await startBroker(executable, work, { LOCAL_REPOSITORY_ROOTS: root, SYNC_INTERVAL: '86400' })
  try {
    createLongHistory(join(root, 'document'), {
      ...{ name: 'load/document', releases: 100, manifests: 20 },
      ...{ branches: 2, files: 20 },
    })
    await broker.addRepository(join(root, 'document'))
    const headers = { Authorization: `Bearer ${await broker.readonlyToken()}`, 'Accept-Encoding': 'gzip' }
    const few: Load = { url: `${broker.url}/p2/load/document.json`, headers, connections: 50, seconds: SECONDS }
    const many: Load = { ...few, connections: 1_000 }
    const rows = [
      ...(await watched(broker, 'p2 load', () => p2Rows(few, many))),
      ...(await watched(broker, 'archive load', () => archiveRows(broker, root, headers))),
      ...(await watched(broker, 'first sync', () => firstSync(broker, root))),
      ...(await watched(broker, 'upload', () => upload(broker, root))),
    ]
    return { rows, commands: [shownCommand(few), shownCommand(many), `load average: ${loadavg()[0]?.toFixed(1)}`] }
  } finally {
    await broker.stop()
  }
}

/** The rows of a load, and two more about the memory that it took. */
async function watched(broker: Broker, what: string, load: () => Promise<Row[]>): Promise<Row[]> {
  broker.forgetPeak()
  const rows = await load()
  const { peak } = broker.memory()
  // What is free is given back within some seconds.
  await Bun.sleep(5_000)
  const { resident } = broker.memory()
  const row = (label: string, bytes: number, goal: number): Row => ({
    ...{ what: `${what}, ${label}`, ours: megabytes(bytes), theirs: '–', result: megabytes(bytes) },
    ...{ goal: `≤ ${megabytes(goal)}`, met: bytes <= goal },
  })
  return [...rows, row('peak memory', peak, GOAL.peak), row('memory afterwards', resident, GOAL.steady)]
}

async function p2Rows(few: Load, many: Load): Promise<Row[]> {
  await answered({ ...few, seconds: 1 })
  return [
    ...(await rowsOf('p2, 50 connections', few, GOAL.rate, GOAL.p99)),
    ...(await rowsOf('p2, 1,000 connections', many, GOAL.rate, GOAL.p99OfMany)),
  ]
}

async function rowsOf(what: string, load: Load, goalRate: number, goalP99: number): Promise<Row[]> {
  const rounds: { rate: number; p99: number }[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await answered(load))
  const [rates, times] = [rounds.map(({ rate }) => rate), rounds.map(({ p99 }) => p99)]
  const [rate, p99] = [median(rates), median(times)]
  const best = `best ${Math.max(...rates).toFixed(0)}/s, ${Math.min(...times).toFixed(1)} ms`
  return [
    {
      ...{ what, ours: best, theirs: '–', result: `${rate.toFixed(0)}/s` },
      ...{ goal: `≥ ${goalRate}/s`, met: rate >= goalRate },
    },
    {
      ...{ what: `${what}, p99`, ours: best, theirs: '–', result: `${p99.toFixed(1)} ms` },
      ...{ goal: `≤ ${goalP99} ms`, met: p99 <= goalP99 },
    },
  ]
}

async function archiveRows(broker: Broker, root: string, headers: Record<string, string>): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, bytes, connections] of [
    ['load/small', 60_000, 50],
    ['load/large', 9_000_000, 50],
  ] as const) {
    createHeavyRepository(join(root, name.replace('/', '-')), name, bytes)
    await broker.addRepository(join(root, name.replace('/', '-')))
    const load: Load = { url: `${broker.url}/dist/${name}/v1.0.0.zip`, headers, connections, seconds: SECONDS }
    const built = await fetch(load.url, { headers })
    if (!built.ok || (await built.bytes()).length < bytes) throw new Error(`${name} could not be built`)
    const { rate, p99 } = await answered(load)
    const figure = `${rate.toFixed(0)}/s, p99 ${p99.toFixed(0)} ms`
    const what = `archive of ${megabytes(bytes)}, ${connections} connections`
    rows.push({ what, ours: figure, theirs: '–', result: figure, goal: 'the figure', met: true })
  }
  return rows
}

async function firstSync(broker: Broker, root: string): Promise<Row[]> {
  const paths = Array.from({ length: REPOSITORIES }, (_, index) => {
    const path = join(root, `many-${index}`)
    const commits = Array.from({ length: TAGS }, (_, release) => ({
      files: { 'composer.json': manifest(`load/many-${index}`, release) },
      tags: [versionOf(release)],
    }))
    createGitRepository(path, { commits })
    return path
  })
  const began = performance.now()
  for (const url of paths) await broker.api('POST', '/api/repositories', { url, vcs_type: 'git' })
  await settled(broker, paths.length + ADDED_BEFORE)
  const figure = `${((performance.now() - began) / 1_000).toFixed(1)} s`
  const what = `first sync of ${REPOSITORIES} repositories with ${TAGS} tags`
  return [{ what, ours: figure, theirs: '–', result: figure, goal: 'the figure', met: true }]
}

async function upload(broker: Broker, root: string): Promise<Row[]> {
  const path = join(root, 'upload')
  const files = { 'composer.json': manifest('load/upload', 1), 'data.bin': noise(UPLOAD_BYTES, 7) }
  createGitRepository(path, { commits: [{ files }] }).git(['archive', '--format=zip', '-0', '-o', 'big.zip', 'main'])
  const { id } = (await broker.api('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
  const began = performance.now()
  await broker.upload(`/api/repositories/${id}/artifacts?version=1.0.0`, join(path, 'big.zip'))
  const figure = `${((performance.now() - began) / 1_000).toFixed(1)} s`
  const what = `upload of ${megabytes(UPLOAD_BYTES)}`
  return [{ what, ours: figure, theirs: '–', result: figure, goal: 'the figure', met: true }]
}

function megabytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < MIB ? 2 : 0)} MiB`
}
