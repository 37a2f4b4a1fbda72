import { afterAll, beforeAll, beforeEach } from 'bun:test'
import { TestApp } from './app.ts'
import type { TestRequest } from './broker.ts'
import { createGitRepository } from './git-repository.ts'
import { library } from './packages.ts'

const ENVIRONMENT = { RESERVED_VENDORS: 'reserved' }

/** An app with three packages of two versions, without advisories and filter entries at the beginning of each test. */
export class PolicyApp {
  private started: TestApp | null = null

  /** Starts before the tests of a file, and stops behind them. */
  constructor() {
    beforeAll(() => this.start())
    beforeEach(() => this.clear())
    afterAll(() => this.started?.stop())
  }

  /** The app itself. */
  get app(): TestApp {
    if (this.started === null) throw new Error('the app is not started before the first test')
    return this.started
  }

  async json(path: string, request: TestRequest = {}) {
    const response = await this.app.ask(path, request)
    return { status: response.status, body: await response.json(), headers: response.headers }
  }

  /** Adds an advisory about acme/lib below 2.0, or what `more` says; its id. */
  advisory(more: Record<string, unknown> = {}): Promise<string> {
    return this.added('/api/advisories', { title: 'Weak', affected_versions: '<2.0', ...more })
  }

  /** Puts acme/lib 1.0.0, or what `more` says, on the list `malware`; the id of the entry. */
  filter(more: Record<string, unknown> = {}): Promise<string> {
    return this.added('/api/filters', { list: 'malware', constraint: '1.0.0', ...more })
  }

  /** The same installation once more, after its process has ended. */
  async restart(): Promise<void> {
    const { app } = this
    await app.stop(true)
    this.started = await TestApp.start(ENVIRONMENT, app.directory)
  }

  private async added(path: string, spec: Record<string, unknown>): Promise<string> {
    const { body } = await this.json(path, { json: { package_name: 'acme/lib', ...spec } })
    return (body as { id: string }).id
  }

  private async start(): Promise<void> {
    const app = await TestApp.start(ENVIRONMENT)
    this.started = app
    for (const name of ['acme/lib', 'acme/tool', 'globex/x']) {
      createGitRepository(app.path(`${name}.git`), {
        commits: [library(name, 'one', { tags: ['1.0.0'] }), library(name, 'two', { tags: ['2.0.0'], branch: 'main' })],
      })
      await app.addRepository(app.path(`${name}.git`))
    }
  }

  private async clear(): Promise<void> {
    for (const path of ['/api/advisories', '/api/filters']) {
      const rows = (await (await this.app.ask(path)).json()) as { id: string }[]
      for (const { id } of rows) await this.app.ask(`${path}/${id}`, { method: 'DELETE' })
    }
  }
}
