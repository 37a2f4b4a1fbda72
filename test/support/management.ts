import type { ShownRepository } from './broker.ts'

const LOOK_MS = 20
const PATIENCE_MS = 30_000

/** The management API of a running server. */
export class Management {
  constructor(
    private readonly url: string,
    private readonly key: string | null,
  ) {}

  /** Sends a request; throws the server's answer unless it succeeds. */
  async call(method: string, path: string, json?: unknown): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, 'Content-Type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }

  /** A new token; readonly unless `spec` says otherwise. */
  async token(spec: Record<string, unknown> = {}): Promise<string> {
    const created = await this.call('POST', '/api/tokens', { permissions: 'readonly', ...spec })
    return (created as { token: string }).token
  }

  /** Adds a repository and waits for its first sync. */
  async addRepository(url: string, spec: Record<string, unknown> = {}): Promise<ShownRepository> {
    const created = (await this.call('POST', '/api/repositories', { url, vcs_type: 'git', ...spec })) as ShownRepository
    const view = await this.synced(created.id)
    if (view.status !== 'active') throw new Error(`${url} was not synced: ${JSON.stringify(view)}`)
    return view
  }

  /** Syncs now and waits for the end. */
  async sync(id: string, query = ''): Promise<ShownRepository> {
    await this.call('POST', `/api/repositories/${id}/sync${query}`)
    return this.synced(id)
  }

  private async synced(id: string): Promise<ShownRepository> {
    const until = Date.now() + PATIENCE_MS
    while (Date.now() < until) {
      const view = (await this.call('GET', `/api/repositories/${id}`)) as ShownRepository
      if (view.progress === null) return view
      await Bun.sleep(LOOK_MS)
    }
    throw new Error(`repository ${id} is still being synced`)
  }
}
