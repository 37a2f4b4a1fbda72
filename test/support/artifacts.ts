import { expect } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Broker } from './broker.ts'

/** Where a version's archive is. */
interface Dist {
  url: string
  shasum: string
  reference: string
}

/** An answer, as far as tests of uploads look at it. */
export interface Answer {
  error: string
  code: string
  warning: string
  packages: Record<string, Record<string, { dist: Dist; source?: unknown }>>
}

/** The body of an answer. */
export const answer = async (response: Response) => (await response.json()) as Answer

/** Files below a directory of the archives. */
export function filesOf(app: Broker, folder: string): string[] {
  const root = join(app.dataDirectory, 'archives', folder)
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** A new repository for uploads; its id. */
export async function repository(app: Broker, url?: string): Promise<string> {
  const response = await app.ask('/api/repositories', { json: { vcs_type: 'artifact', ...(url ? { url } : {}) } })
  expect(response.status).toBe(201)
  return ((await response.json()) as { id: string }).id
}

/** Uploads a body. */
export function push(app: Broker, id: string, body: Uint8Array<ArrayBuffer>, query = '', token?: string | null) {
  const auth = token === undefined ? {} : { token }
  return app.ask(`/api/repositories/${id}/artifacts${query}`, { method: 'PUT', body, ...auth })
}
