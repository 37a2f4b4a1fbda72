import { PktReader } from './pkt-line.ts'
import { type ProgramLaunch, ProgramSession } from './program-session.ts'
import type { GitReply, GitTransport } from './transport.ts'

/** Prepares a launch. `assign` is true on the second attempt, after a server that answered with an old protocol. */
export type PrepareLaunch = (assign: boolean) => Promise<ProgramLaunch>

const VERSION_2 = '000eversion 2\n'
const IDLE_MS = 10_000
const ADVERTISEMENT_BYTES = 1024 * 1024

/**
 * Speaks protocol version 2 with a program over standard input and output (`git: protocol-v2`, ssh and file
 * transports). A session serves one exchange at a time and is kept for the next one for ten seconds.
 */
export class ProgramTransport implements GitTransport {
  readonly #prepare: PrepareLaunch
  readonly #mayAssign: boolean
  #assign = false
  #idle: ProgramSession | null = null
  #idleTimer: ReturnType<typeof setTimeout> | null = null

  /** `mayAssign`: whether an answer in an old protocol is worth a second attempt with `assign`. */
  constructor(prepare: PrepareLaunch, mayAssign: boolean) {
    this.#prepare = prepare
    this.#mayAssign = mayAssign
  }

  async advertisement(signal: AbortSignal): Promise<GitReply> {
    const session = await this.#start(signal)
    return session.reply(signal, () => this.#release(session))
  }

  async command(request: Uint8Array, signal: AbortSignal): Promise<GitReply> {
    const session = this.#takeIdle() ?? (await this.#startPastAdvertisement(signal))
    await session.write(request)
    return session.reply(signal, () => this.#release(session))
  }

  close(): Promise<void> {
    this.#takeIdle()?.end()
    return Promise.resolve()
  }

  async #startPastAdvertisement(signal: AbortSignal): Promise<ProgramSession> {
    const session = await this.#start(signal)
    const reply = session.reply(signal, () => undefined)
    try {
      const reader = new PktReader(reply, ADVERTISEMENT_BYTES, () => undefined)
      for (let packet = await reader.next(); packet !== 'flush'; packet = await reader.next()) signal.throwIfAborted()
      return session
    } catch (error) {
      session.kill()
      throw error
    }
  }

  /** A session whose advertisement is still to be read. */
  async #start(signal: AbortSignal): Promise<ProgramSession> {
    signal.throwIfAborted()
    const launch = await this.#prepare(this.#assign)
    let session: ProgramSession | null = null
    try {
      session = new ProgramSession(launch)
      const isVersion2 = await session.beginsWith(VERSION_2, signal)
      if (isVersion2 === null) throw await session.failure()
      await launch.connected()
      if (isVersion2 || !this.#mayAssign || this.#assign) return session
    } catch (error) {
      session?.kill()
      throw error
    } finally {
      await launch.cleanUp()
    }
    session.kill()
    this.#assign = true
    return this.#start(signal)
  }

  #release(session: ProgramSession): void {
    if (this.#idle !== null || !session.alive) {
      session.end()
      return
    }
    this.#idle = session
    this.#idleTimer = setTimeout(() => void this.close(), IDLE_MS)
    this.#idleTimer.unref()
  }

  #takeIdle(): ProgramSession | null {
    const session = this.#idle
    this.#idle = null
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#idleTimer = null
    return session?.alive === true ? session : null
  }
}
