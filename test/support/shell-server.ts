import { join } from 'node:path'
import { executable, type Installation } from './binary.ts'

const PATIENCE_MS = 30_000

/** The server below a shell, which says how much it may have or where its output goes. It is asked over its socket. */
export class ShellServer {
  private constructor(
    private readonly child: Bun.Subprocess<'ignore', 'ignore', 'ignore'>,
    private readonly socket: string,
  ) {}

  /** Runs `script`, in which `exec "$@"` is to be the server, and waits until it is ready. */
  static async start(installation: Installation, script: string, program?: readonly string[]): Promise<ShellServer> {
    const command = ['/bin/sh', '-c', script, 'sh', ...(program ?? [await executable()])]
    const { directory: cwd, environment: env } = installation
    const child = Bun.spawn(command, { cwd, env, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
    const server = new ShellServer(child, join(cwd, 'data/package-broker.sock'))
    await server.until(async () => (await server.ask('/ready').catch(() => null))?.status === 200)
    return server
  }

  /** Sends a request as the owner of the data. */
  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://localhost${path}`, { ...init, unix: this.socket })
  }

  /** Value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const text = await (await this.ask('/metrics')).text()
    return Number(new RegExp(`^package_broker_${name} (\\S+)$`, 'm').exec(text)?.[1])
  }

  /** Waits until something holds; throws when it does not, or when the server has ended. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + PATIENCE_MS
    while (!(await holds())) {
      if (this.child.exitCode !== null) throw new Error(`the server ended with ${this.child.exitCode}`)
      if (Date.now() > end) throw new Error('it did not happen')
      await Bun.sleep(10)
    }
  }

  /** Sends a signal and resolves to the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.child.kill(signal)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS)
    const code = await this.child.exited
    clearTimeout(timer)
    return code
  }
}
