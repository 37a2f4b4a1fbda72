import { startUpstream } from '../support/upstream/upstream-server.ts'
import { zipOf } from '../support/zip-builder.ts'
import type { Stage } from './documents.ts'
import type { Finding } from './report.ts'
import { noise } from './repositories.ts'

const CLIENTS = 200
const BYTES = 9_000_000
/** Added by the upstream before each answer, in milliseconds. */
const DELAY_MS = 50

/** Many clients that want an archive of an upstream at once, which nobody has asked for before. */
export async function measureColdArchive({ broker, token }: Stage): Promise<Finding> {
  const zip = zipOf([{ name: 'data.bin', method: 0, content: Buffer.from(noise(BYTES, 7)) }])
  const upstream = await startUpstream(({ path }) => answer(path, zip, upstream.url), { delayMs: DELAY_MS })
  try {
    await broker.api('POST', '/api/repositories', { url: upstream.url, vcs_type: 'composer', package_filter: 'cold/*' })
    const headers = { Authorization: `Bearer ${token}`, Connection: 'close' }
    const document = await (await fetch(`${broker.url}/p2/cold/lib.json`, { headers })).text()
    const url = /"url":"([^"]+\?dist=[0-9a-f]{40})"/.exec(document.replaceAll('\\/', '/'))?.[1] ?? ''
    broker.forgetPeak()
    const before = broker.memory().resident
    const expected = Bun.hash(zip)
    const started = performance.now()
    const answers = await Promise.all(Array.from({ length: CLIENTS }, () => fetch(url, { headers })))
    let right = 0
    // One after the other: all but the first are slow readers.
    for (const response of answers) if (Bun.hash(await response.bytes()) === expected) right++
    const seconds = (performance.now() - started) / 1000
    const { peak } = broker.memory()
    const asked = upstream.log.matching('/cold.zip').length
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
    return {
      rows: [
        {
          what: `${CLIENTS} clients, one cold archive of 9 MB`,
          ours: `${right} of ${CLIENTS} bodies right, ${seconds.toFixed(1)} s, peak ${megabytes(peak)}`,
          theirs: `${megabytes(before)} before`,
          result: `${asked} upstream requests`,
          goal: 'all right, 1 request, < 200 MB',
          met: right === CLIENTS && asked === 1 && peak < 200_000_000,
        },
      ],
      commands: [`cold archive: ${CLIENTS} fetches of ${url} at once; the upstream's log; VmHWM of the server`],
    }
  } finally {
    await upstream.stop()
  }
}

function answer(path: string, zip: Uint8Array, url: string) {
  if (path === '/cold.zip') return { headers: { 'Content-Type': 'application/zip' }, body: zip }
  const version = { name: 'cold/lib', version: '1.0.0', version_normalized: '1.0.0.0' }
  const dist = { type: 'zip', url: `${url}/cold.zip`, reference: 'c'.repeat(40) }
  const versions: Record<string, unknown> = {
    '/packages.json': { packages: [], 'metadata-url': '/p2/%package%.json' },
    '/p2/cold/lib.json': { packages: { 'cold/lib': [{ ...version, dist, time: '2025-01-01T00:00:00+00:00' }] } },
  }
  const body = versions[path]
  return body === undefined
    ? { status: 404 }
    : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
}
