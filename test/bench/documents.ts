import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Broker } from './broker.ts'
import type { Nginx } from './nginx.ts'
import { alternate, type Finding, type Row } from './report.ts'
import { createLongHistory } from './repositories.ts'
import { type Load, requestsPerSecond, shownCommand } from './wrk.ts'

const NAME = 'bench/document'
const PATH = '/p2/bench/document.json?minified=1'
const ROUNDS = 7
const CONNECTIONS = 32

/** Where the parts of the bench are. */
export interface Stage {
  readonly work: string
  /** Directory that nginx serves. */
  readonly root: string
  readonly broker: Broker
  readonly nginx: Nginx
  readonly token: string
}

/** The document of 400 versions, whole and as 304, against the same bytes as a file of nginx. */
export async function measureDocuments(stage: Stage): Promise<Finding> {
  const { broker, nginx, root, work, token } = stage
  const repository = join(work, 'repositories/document')
  createLongHistory(repository, { name: NAME, releases: 400, manifests: 40, branches: 5, files: 20 })
  await broker.addRepository(repository)
  const headers = { Authorization: `Bearer ${token}`, 'Accept-Encoding': 'gzip' }
  const document = await fetch(broker.url + PATH, { headers, decompress: false })
  const bytes = new Uint8Array(await document.arrayBuffer())
  if (document.status !== 200 || document.headers.get('content-encoding') !== 'gzip') {
    throw new Error(`the document came as ${document.status}, ${document.headers.get('content-encoding')}`)
  }
  const text = Bun.gunzipSync(bytes)
  place(join(root, 'p2/bench/document.json'), text)
  place(join(root, 'p2/bench/document.json.gz'), bytes)
  const whole = await compare(
    `p2 document, 400 versions, ${(bytes.length / 1000).toFixed(0)} kB of gzip`,
    0.8,
    load(broker.url + PATH, headers),
    load(nginx.url + PATH, { 'Accept-Encoding': 'gzip' }),
  )
  const ours = load(broker.url + PATH, { ...headers, ...(await validators(broker.url + PATH, headers)) })
  const gzip = { 'Accept-Encoding': 'gzip' }
  const theirs = load(nginx.url + PATH, { ...gzip, ...(await validators(nginx.url + PATH, gzip)) })
  const unchanged = await compare('the same, unchanged (304)', 1, ours, theirs)
  return { rows: [whole, unchanged], commands: [shownCommand(load(broker.url + PATH, headers)), shownCommand(ours)] }
}

function load(url: string, headers: Record<string, string>): Load {
  return { url, headers, connections: CONNECTIONS, seconds: 2 }
}

/** What Composer sends back of an answer, checked to give 304. */
async function validators(url: string, headers: Record<string, string>): Promise<Record<string, string>> {
  const first = await fetch(url, { headers })
  await first.arrayBuffer()
  const conditional = { 'If-Modified-Since': first.headers.get('last-modified') ?? '' }
  const second = await fetch(url, { headers: { ...headers, ...conditional } })
  if (second.status !== 304) throw new Error(`${url} answered ${second.status} where 304 was expected`)
  return conditional
}

/** Rates of two loads in turns, after a warm-up of both. */
export async function compareRates(ours: Load, theirs: Load) {
  for (const warm of [ours, theirs]) await requestsPerSecond({ ...warm, seconds: 1 })
  return alternate(
    ROUNDS,
    () => requestsPerSecond(ours),
    () => requestsPerSecond(theirs),
  )
}

/** The same as a row, against nginx. */
export async function compare(what: string, goal: number, ours: Load, theirs: Load): Promise<Row> {
  const { ratio, ...rate } = await compareRates(ours, theirs)
  return {
    what,
    ours: `${rate.ours.toFixed(0)} requests/s`,
    theirs: `nginx ${rate.theirs.toFixed(0)} requests/s`,
    result: ratio.toFixed(2),
    goal: `≥ ${goal}`,
    met: ratio >= goal,
  }
}

/** Writes a file and the directories above it. */
export function place(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}
