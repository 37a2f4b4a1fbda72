import type { TestApp } from './app.ts'

/** A discovery as the management API shows it, as far as tests look at it. */
export interface ShownDiscovery {
  id: string
  status: string
  looking: boolean
  error_code: string | null
  error_message: string | null
  found: number
  added: number
  skipped: number
  gone: number
  failed: number
  last_listed_at: number | null
  last_probed_at: number | null
  next_look_at: number | null
}

/** A repository that was found. */
export interface ShownDiscovered {
  host_id: string
  path: string
  state: string
  reason: string | null
  repository_id: string | null
  pushed_at: number | null
}

const LOOK_MS = 10
const PATIENCE_MS = 20_000

/** Asks until the answer is as wanted; throws with the last one when it never is. */
export async function until<T>(ask: () => Promise<T> | T, wanted: (value: T) => boolean): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const value = await ask()
    if (wanted(value)) return value
    if (Date.now() > end) throw new Error(`not so: ${JSON.stringify(value)}`)
    await Bun.sleep(LOOK_MS)
  }
}

/** Adds a discovery and waits for the end of its first look. */
export async function discover(app: TestApp, spec: Record<string, unknown>): Promise<ShownDiscovery> {
  const response = await app.ask('/api/discoveries', { json: spec })
  if (response.status !== 201) throw new Error(`no discovery: ${await response.text()}`)
  return looked(app, ((await response.json()) as ShownDiscovery).id)
}

/** Looks again, and waits for the end. */
export async function lookAgain(app: TestApp, id: string, query = ''): Promise<ShownDiscovery> {
  const response = await app.ask(`/api/discoveries/${id}/look${query}`, { method: 'POST' })
  if (response.status !== 202) throw new Error(`no look: ${await response.text()}`)
  return looked(app, id)
}

/** The discovery once nothing is due and nobody looks. */
export function looked(app: TestApp, id: string): Promise<ShownDiscovery> {
  return until(
    () => shown(app, id),
    ({ looking, status, next_look_at: next }) =>
      !looking && status !== 'pending' && (next === null || next > app.clock.now),
  )
}

/** The discovery as it is. */
export async function shown(app: TestApp, id: string): Promise<ShownDiscovery> {
  return (await (await app.ask(`/api/discoveries/${id}`)).json()) as ShownDiscovery
}

/** What it found, by name. */
export async function foundBy(app: TestApp, id: string, query = ''): Promise<Record<string, ShownDiscovered>> {
  const rows = (await (await app.ask(`/api/discoveries/${id}/repositories${query}`)).json()) as ShownDiscovered[]
  return Object.fromEntries(rows.map((row) => [row.path.split('/').at(-1) ?? '', row]))
}
