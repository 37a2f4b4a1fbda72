import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { Overrides } from '../../src/foundation.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { Broker } from './broker.ts'

/** The whole program inside the test process, on a temporary directory. Its workers run, it does not listen. */
export class TestApp extends Broker {
  protected readonly owner: string

  private constructor(
    readonly app: App,
    /** Below it: `data`, and `repositories`, from where paths can be added. */
    readonly directory: string,
    /** Turn `clock.now` (Unix seconds) to let time pass. */
    readonly clock: { now: number },
    /** Everything logged so far, from `debug` on. */
    readonly logged: string[],
  ) {
    super()
    this.owner = app.localToken
  }

  get dataDirectory(): string {
    return this.app.config.dataDir
  }

  /** Starts an app; `environment` adds to or replaces variables, `directory` continues an earlier one. */
  static async start(
    environment: Record<string, string> = {},
    directory = mkdtempSync(join(tmpdir(), 'package-broker-test-')),
    overrides: Overrides = {},
  ): Promise<TestApp> {
    const clock = { now: Math.floor(Date.now() / 1000) }
    const logged: string[] = []
    const logger = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) })
    const config = readConfig({
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: join(directory, 'data'),
      LOCAL_REPOSITORY_ROOTS: join(directory, 'repositories'),
      ALLOWED_NETWORKS: '127.0.0.0/8',
      ...environment,
    })
    const app = await createApp(config, { now: () => clock.now, logger, ...overrides })
    app.startWorkers()
    return new TestApp(app, directory, clock, logged)
  }

  /** Where test repositories are created. */
  path(name: string): string {
    return join(this.directory, 'repositories', name)
  }

  now(): number {
    return this.clock.now
  }

  async passTo(time: number): Promise<void> {
    this.clock.now = Math.max(this.clock.now, time)
  }

  async listen(): Promise<string> {
    return (await this.app.start()).url
  }

  /** Names of the archives in a folder of their directory. */
  filesOf(folder: string): string[] {
    return [...new Bun.Glob('**/*').scanSync({ cwd: join(this.app.config.archiveDir, folder), dot: true })].sort()
  }

  /** Deletes the archives in a folder, as when the disk is lost. */
  removeFiles(folder: string): void {
    for (const name of this.filesOf(folder)) rmSync(join(this.app.config.archiveDir, folder, name))
  }

  /** Stops the app; the directory is removed unless `keep` is set. */
  async stop(keep = false): Promise<void> {
    await this.app.stop(1_000)
    if (!keep) rmSync(this.directory, { recursive: true, force: true })
  }

  protected send(url: string, init: RequestInit): Promise<Response> {
    return this.app.handler(new Request(url, init))
  }
}

/** `Authorization` headers for one token, by the ways a client may send it. */
export const TRANSPORTS: Readonly<Record<string, (token: string) => string>> = {
  bearer: (token) => `Bearer ${token}`,
  'basic password': (token) => `Basic ${btoa(`token:${token}`)}`,
  'basic user': (token) => `Basic ${btoa(`${token}:`)}`,
}
