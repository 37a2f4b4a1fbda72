import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Installation, type RunningServer } from './binary.ts'
import { Broker } from './broker.ts'

const ADMIN = 'administrator-of-the-same-tests-0123456789'

/** The compiled executable, over the network. */
export class ExecutableBroker extends Broker {
  protected readonly owner = ADMIN
  private asked = 0

  private constructor(
    private readonly installation: Installation,
    private readonly server: RunningServer,
  ) {
    super()
  }

  /** Starts it on an empty directory; `environment` adds to or replaces variables. */
  static async start(environment: Record<string, string> = {}): Promise<ExecutableBroker> {
    const installation = await Installation.create({
      ADMIN_TOKEN: ADMIN,
      // Repositories are added by path, which takes the git program.
      PATH: process.env.PATH ?? '',
      RATE_LIMIT_WRITE: '500',
      TRUST_PROXY: '127.0.0.0/8',
      LOG_LEVEL: 'debug',
      ...environment,
    })
    const repositories = join(installation.directory, 'repositories')
    mkdirSync(repositories)
    return new ExecutableBroker(installation, await installation.serve({ LOCAL_REPOSITORY_ROOTS: repositories }))
  }

  get dataDirectory(): string {
    return join(this.installation.directory, 'data')
  }

  get logged(): readonly string[] {
    // What comes after the last line end is not a line yet.
    return this.server.stdout.split('\n').slice(0, -1)
  }

  path(name: string): string {
    return join(this.installation.directory, 'repositories', name)
  }

  now(): number {
    return Math.floor(Date.now() / 1000)
  }

  async passTo(time: number): Promise<void> {
    while (this.now() < time) await Bun.sleep(time * 1000 - Date.now())
  }

  async listen(): Promise<string> {
    return this.server.url
  }

  stop(): Promise<void> {
    return this.installation.remove()
  }

  protected send(
    url: string,
    init: { method: string; headers: Headers; body?: RequestInit['body'] },
  ): Promise<Response> {
    const { headers } = init
    // Each from an address of its own, or the limit of failed sign-ins would end a test that fails on purpose.
    this.asked += 1
    const address = `10.${this.asked >> 16}.${(this.asked >> 8) & 255}.${this.asked & 255}`
    if (!headers.has('x-forwarded-for')) headers.set('X-Forwarded-For', address)
    if (!headers.has('accept-encoding')) headers.set('Accept-Encoding', 'identity')
    const { pathname, search } = new URL(url)
    return fetch(`${this.server.url}${pathname}${search}`, { ...init, decompress: false, redirect: 'manual' })
  }
}
