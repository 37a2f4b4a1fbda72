import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Longest wait for the program to listen, and to end after a signal, in milliseconds. */
const PATIENCE_MS = 30_000

/** Where a program run ended. */
export interface Finished {
  code: number
  stdout: string
  stderr: string
}

/** Directories of builds are named by the process of their test run. */
const BUILD = 'package-broker-build-'

let built: Promise<string> | null = null

/** Path of the executable: `PACKAGE_BROKER_BINARY`, or one built once per test run. */
export function executable(): Promise<string> {
  built ??= process.env.PACKAGE_BROKER_BINARY ? Promise.resolve(process.env.PACKAGE_BROKER_BINARY) : build()
  return built
}

async function build(): Promise<string> {
  removeOldBuilds()
  const directory = join(tmpdir(), `${BUILD}${process.pid}`)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { mode: 0o700 })
  const outfile = join(directory, 'package-broker')
  const program = join(import.meta.dir, '../../src/build.ts')
  const target = `bun-${process.platform}-${process.arch}`
  const run = Bun.spawnSync([process.execPath, program, target, outfile], { stdout: 'ignore', stderr: 'pipe' })
  if (!run.success) throw new Error(`the executable could not be built: ${run.stderr.toString()}`)
  return outfile
}

/** Nothing runs when a test run ends, so that each removes what those before it left. */
function removeOldBuilds(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(BUILD) ? Number(name.slice(BUILD.length)) : 0
    if (pid > 0 && !isRunning(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** An installation: a directory that is empty at first, and an environment that holds nothing but what a test says. */
export class Installation {
  private readonly running = new Set<RunningServer>()

  private constructor(
    readonly directory: string,
    readonly environment: Record<string, string>,
    private readonly program: string,
  ) {}

  /** Makes one below the temporary directory. There is no PATH: neither git nor bun nor node can be found. */
  static async create(environment: Record<string, string> = {}): Promise<Installation> {
    const root = mkdtempSync(join(tmpdir(), 'package-broker-e2e-'))
    const directory = join(root, 'home')
    const temporary = join(root, 'tmp')
    mkdirSync(directory)
    mkdirSync(temporary)
    // No limit: waiting for a sync asks more often than a client does.
    const clean = {
      HOST: '127.0.0.1',
      PORT: '0',
      TMPDIR: temporary,
      PATH: '',
      ALLOWED_NETWORKS: '127.0.0.0/8',
      RATE_LIMIT_WRITE: '0',
    }
    return new Installation(directory, { ...clean, ...environment }, await executable())
  }

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    options: { env?: Record<string, string>; stdin?: string } = {},
  ): Promise<Finished> {
    const child = Bun.spawn([this.program, ...args], {
      cwd: this.directory,
      env: { ...this.environment, ...options.env },
      stdin: options.stdin === undefined ? 'ignore' : new Blob([options.stdin]),
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: PATIENCE_MS,
    })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { code, stdout, stderr }
  }

  /** Starts a command and does not wait for it. */
  begin(args: readonly string[]): Bun.Subprocess<'ignore', 'ignore', 'ignore'> {
    const { directory: cwd, environment: env } = this
    return Bun.spawn([this.program, ...args], { cwd, env, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
  }

  /** Starts the server and waits until it listens. */
  async serve(env: Record<string, string> = {}): Promise<RunningServer> {
    const server = await RunningServer.start(this.program, this.directory, { ...this.environment, ...env })
    this.running.add(server)
    return server
  }

  /** Kills what still runs and removes the directory. */
  async remove(): Promise<void> {
    for (const server of this.running) await server.kill()
    rmSync(join(this.directory, '..'), { recursive: true, force: true })
  }
}

/** A server process. */
export class RunningServer {
  stdout = ''
  stderr = ''
  /** `http://127.0.0.1:<port>`. */
  url = ''

  private constructor(private readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>) {}

  /** Starts `program`; throws what it printed when it ends instead of listening. */
  static async start(
    program: string | readonly string[],
    cwd: string,
    env: Record<string, string>,
  ): Promise<RunningServer> {
    const child = Bun.spawn(typeof program === 'string' ? [program] : [...program], {
      cwd,
      env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const server = new RunningServer(child)
    const ended = Promise.all([
      server.collect(child.stdout, (text) => {
        server.stdout += text
      }),
      server.collect(child.stderr, (text) => {
        server.stderr += text
      }),
    ])
    const until = Date.now() + PATIENCE_MS
    while (server.url === '') {
      server.url = /"message":"listening","url":"([^"]+)"/.exec(server.stdout)?.[1] ?? ''
      if (child.exitCode !== null || Date.now() > until) {
        child.kill('SIGKILL')
        await ended
        throw new Error(`the server does not listen: ${server.stdout}${server.stderr}`)
      }
      await Bun.sleep(5)
    }
    // What was written to standard error before that line is in its pipe by now, and not yet read.
    await Bun.sleep(25)
    return server
  }

  get pid(): number {
    return this.child.pid
  }

  /** The administrator token, when this start printed one. */
  get adminToken(): string | null {
    return /\b(pb_[A-Za-z0-9_-]{43})\b/.exec(this.stderr)?.[1] ?? null
  }

  /** Sends SIGTERM and resolves to the exit code. */
  async stop(): Promise<number> {
    this.child.kill('SIGTERM')
    return this.ended()
  }

  /** Sends a signal and returns at once. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** The exit code, once the process has ended; it is killed after `patience` milliseconds. */
  async ended(patience = PATIENCE_MS): Promise<number> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), patience)
    const code = await this.child.exited
    clearTimeout(timer)
    return code
  }

  /** Ends the process without asking it. */
  async kill(): Promise<void> {
    if (this.child.exitCode === null) this.child.kill('SIGKILL')
    await this.child.exited
  }

  private async collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder()
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }))
  }
}
