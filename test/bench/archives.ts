import { join } from 'node:path'
import { compare, place, type Stage } from './documents.ts'
import type { Finding, Row } from './report.ts'
import { createHeavyRepository } from './repositories.ts'
import { type Load, shownCommand } from './wrk.ts'

const CLIENTS = 200
const GOAL = 0.6
const SIZES = [
  { name: 'bench/small', bytes: 300_000, connections: 32, label: '300 KB' },
  { name: 'bench/large', bytes: 9_000_000, connections: 8, label: '9 MB' },
] as const

/** Archives against nginx's sendfile of the same bytes, and memory under many downloads at once. */
export async function measureArchives(stage: Stage): Promise<Finding> {
  const { broker, nginx, token, root, work } = stage
  const rows: Row[] = []
  const commands: string[] = []
  let crowd: Row | null = null
  for (const { name, bytes, connections, label } of SIZES) {
    const path = `/dist/${name}/v1.0.0.zip`
    const repository = join(work, 'repositories', name)
    createHeavyRepository(repository, name, bytes)
    await broker.addRepository(repository)
    const headers = { Authorization: `Bearer ${token}` }
    const archive = await download(broker.url + path, headers)
    place(join(root, path), archive)
    const load = (url: string, sent: Record<string, string>): Load => ({
      url: url + path,
      headers: sent,
      connections,
      seconds: 2,
    })
    rows.push(await compare(`archive of ${label}`, GOAL, load(broker.url, headers), load(nginx.url, {})))
    commands.push(shownCommand(load(broker.url, headers)))
    if (label === '9 MB') crowd = await measureCrowd(stage, broker.url + path, headers, archive)
  }
  commands.push(`crowd: ${CLIENTS} fetches of the 9 MB archive at once; VmHWM of the server after echo 5 > clear_refs`)
  return { rows: crowd ? [...rows, crowd] : rows, commands }
}

async function download(url: string, headers: Record<string, string>): Promise<Uint8Array> {
  const response = await fetch(url, { headers })
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.bytes()
}

/** Many clients at once; each reads slowly enough that all are under way together, and every digest is compared. */
async function measureCrowd(
  { broker }: Stage,
  url: string,
  headers: Record<string, string>,
  archive: Uint8Array,
): Promise<Row> {
  const expected = Bun.hash(archive)
  broker.forgetPeak()
  const before = broker.memory().resident
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => startDownload(url, headers)))
  let right = 0
  for (const answer of answers) if (Bun.hash(await answer.bytes()) === expected) right++
  const seconds = (performance.now() - started) / 1000
  const { peak } = broker.memory()
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
  return {
    what: `${CLIENTS} clients at once, 9 MB each`,
    ours: `${right} of ${CLIENTS} bodies right, ${seconds.toFixed(1)} s`,
    theirs: `${megabytes(before)} before`,
    result: `peak ${megabytes(peak)}`,
    goal: 'all right, < 200 MB',
    met: right === CLIENTS && peak < 200_000_000,
  }
}

/** All connections are open and answering before the first body is read to its end. */
async function startDownload(url: string, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(url, { headers: { ...headers, Connection: 'close' } })
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`)
  return response
}
