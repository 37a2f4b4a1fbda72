import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Between two looks at a sync under way: a look costs the server a millisecond. */
const POLL_MS = 20
const ADMIN_TOKEN = 'bench-administrator-token-0123456789abcdef'

/** The executable, running in a directory of its own. */
export interface Broker {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string
  /** Milliseconds from the start of the process to its first answer. */
  readonly startMs: number
  /** Asks the management API as administrator; throws on any error. */
  api(method: string, path: string, body?: unknown): Promise<unknown>
  /** The text that the server answers to the administrator; throws on any error. */
  text(path: string): Promise<string>
  /** Sends a file to the management API; throws on any error. */
  upload(path: string, file: string): Promise<void>
  /** Processor time used so far, in seconds. */
  cpuSeconds(): number
  /** A new token that may only read. */
  readonlyToken(): Promise<string>
  /** Adds a repository and waits until it was read; milliseconds it took. */
  addRepository(url: string): Promise<number>
  /** Resident memory now and at its highest since `forgetPeak`, in bytes. */
  memory(): { resident: number; peak: number }
  forgetPeak(): void
  stop(): Promise<void>
}

/** Starts `executable` in an empty directory below `work`. */
export async function startBroker(executable: string, work: string, environment: Record<string, string> = {}) {
  const home = mkdtempSync(join(work, 'broker-'))
  const started = performance.now()
  const child = Bun.spawn([executable], {
    cwd: home,
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_TOKEN,
      ALLOWED_NETWORKS: '127.0.0.0/8',
      LOG_FORMAT: 'json',
      ...environment,
    },
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const url = await listeningUrl(child.stdout)
  await (await fetch(`${url}/health`)).arrayBuffer()
  const startMs = performance.now() - started
  const api = apiOf(url)
  return {
    url,
    startMs,
    api,
    async text(path: string) {
      const response = await fetch(url + path, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
      if (!response.ok) throw new Error(`GET ${path}: ${response.status}`)
      return response.text()
    },
    async upload(path: string, file: string) {
      const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` }
      const response = await fetch(url + path, { method: 'PUT', headers, body: Bun.file(file) })
      if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
    },
    cpuSeconds: () => cpuSecondsOf(child.pid),
    async readonlyToken() {
      const made = (await api('POST', '/api/tokens', { permissions: 'readonly', rate_limit_max: 0 })) as {
        token: string
      }
      return made.token
    },
    addRepository: (address: string) => addRepository(api, address),
    memory: () => memoryOf(child.pid),
    forgetPeak: () => writeFileSync(`/proc/${child.pid}/clear_refs`, '5'),
    async stop() {
      child.kill('SIGTERM')
      await child.exited
    },
  } satisfies Broker
}

async function listeningUrl(output: ReadableStream<Uint8Array>): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  const reader = output.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the executable ended before it listened: ${text}`)
    text += decoder.decode(value, { stream: true })
    const found = /"url":"(http:[^"]+)"/.exec(text)?.[1]
    if (found === undefined) continue
    void drain(reader)
    return found
  }
}

/** Reads on, since a full pipe would stop the server. */
async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}

function apiOf(url: string): Broker['api'] {
  return async (method, path, body) => {
    const response = await fetch(url + path, {
      method,
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
}

async function addRepository(api: Broker['api'], url: string): Promise<number> {
  const started = performance.now()
  const { id } = (await api('POST', '/api/repositories', { url, vcs_type: 'git' })) as { id: string }
  for (;;) {
    const row = (await api('GET', `/api/repositories/${id}`)) as { status: string; error_message: string | null }
    if (row.status === 'active') return performance.now() - started
    if (row.status === 'error') throw new Error(`${url} could not be read: ${row.error_message}`)
    await Bun.sleep(POLL_MS)
  }
}

function memoryOf(pid: number): { resident: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM') }
}

/** Processor time of a process so far, user and system. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** Clock ticks in a second, as `/proc` counts processor time. */
const TICKS = 100
