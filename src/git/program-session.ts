import { isAppError } from '../errors.ts'
import { cleanText, gitFailure } from './failure.ts'
import type { GitReply } from './transport.ts'

/** A program to run that speaks `git upload-pack` on its standard input and output. */
export interface ProgramLaunch {
  /** The program and its arguments; no shell is involved. */
  readonly command: readonly [string, ...string[]]
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Makes the failure of a program that ended early out of what it wrote to standard error. */
  readonly explain: (stderr: string, exitCode: number | null) => Error
  /** Called once when the program has begun to answer. */
  readonly connected: () => Promise<void>
  /** Removes what was made for this launch. Called once, when the program has begun to answer or has failed. */
  readonly cleanUp: () => Promise<void>
}

const STDERR_BYTES = 8192

/** One run of a program: a request goes in, an answer comes out, as often as wanted. */
export class ProgramSession {
  readonly #launch: ProgramLaunch
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>
  readonly #reader: { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }> }
  readonly #stderr: Promise<string>
  #unread: Uint8Array[] = []
  #ended = false

  /** Starts the program. Throws `unsupported` when it is not installed. */
  constructor(launch: ProgramLaunch) {
    this.#launch = launch
    try {
      this.#child = Bun.spawn([...launch.command], {
        env: { ...launch.environment },
        cwd: '/',
        stdin: 'pipe',
        stdout: 'pipe',
        stderr: 'pipe',
        // A group of its own lets the helpers that it starts be ended with it.
        detached: true,
      })
    } catch (cause) {
      const name = launch.command[0].split('/').at(-1) ?? ''
      throw gitFailure('unsupported', `The program ${name} is needed for this repository and cannot be started.`, {
        cause,
      })
    }
    this.#reader = this.#child.stdout.getReader()
    this.#stderr = readStart(this.#child.stderr)
  }

  /** False after the program has ended or was ended. */
  get alive(): boolean {
    return !this.#ended && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Waits until the answer is known to begin with `start` or not to; what was read stays to be read. Null when the
   * program ended without a byte.
   */
  async beginsWith(start: string, signal: AbortSignal): Promise<boolean | null> {
    const peeked: Uint8Array[] = []
    let text = ''
    while (text.length < start.length && start.startsWith(text)) {
      const chunk = await this.#read(signal)
      if (chunk === null) break
      peeked.push(chunk)
      text += Buffer.from(chunk).toString('latin1')
    }
    this.#unread = peeked
    return text === '' ? null : text.startsWith(start)
  }

  /** Sends a request. A program that has gone is noticed when its answer is read. */
  async write(request: Uint8Array): Promise<void> {
    try {
      this.#child.stdin.write(request)
      await this.#child.stdin.flush()
    } catch {
      this.#ended = true
    }
  }

  /** The answer to what was written last. `release` is called when the session is free again. */
  reply(signal: AbortSignal, release: () => void): GitReply {
    return {
      read: async () => {
        const chunk = await this.#read(signal)
        if (chunk === null) throw await this.failure()
        return chunk
      },
      finish: async () => release(),
      abandon: () => this.kill(),
    }
  }

  /** Why the program ended early. */
  async failure(): Promise<Error> {
    this.kill()
    const [stderr, exitCode] = await Promise.all([this.#stderr, this.#child.exited])
    return this.#launch.explain(stderr, exitCode)
  }

  /** Lets the program end by itself: its input is at an end. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    void Promise.resolve(this.#child.stdin.end()).catch(() => undefined)
    const force = setTimeout(() => this.kill(), 2000)
    void this.#child.exited.then(() => clearTimeout(force))
  }

  /** Ends the program and its helpers now. */
  kill(): void {
    this.#ended = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      this.#child.kill('SIGKILL')
    }
  }

  async #read(signal: AbortSignal): Promise<Uint8Array | null> {
    signal.throwIfAborted()
    const unread = this.#unread.shift()
    if (unread !== undefined) return unread
    const abort = () => this.kill()
    signal.addEventListener('abort', abort, { once: true })
    try {
      const { done, value } = await this.#reader.read()
      signal.throwIfAborted()
      return done || value === undefined ? null : value
    } catch (error) {
      signal.throwIfAborted()
      if (isAppError(error)) throw error
      return null
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}

/** The beginning of a stream as text; the rest is read and dropped, so that the program never waits for us. */
async function readStart(stream: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let kept = 0
  for await (const chunk of stream) {
    if (kept >= STDERR_BYTES) continue
    chunks.push(chunk.subarray(0, STDERR_BYTES - kept))
    kept += chunk.length
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** What a program wrote, as the cause of a failure: for the operator's log, on one line. */
export function programOutput(stderr: string, exitCode: number | null): Error {
  return new Error(`exit code ${exitCode ?? 'none'}: ${cleanText(stderr)}`)
}
