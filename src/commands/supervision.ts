import type { App } from '../app.ts'
import { readSupervision } from '../config.ts'
import { messageOf } from '../errors.ts'
import { type Notifier, openNotifier } from '../sd-notify.ts'

/** The service manager is told this often within the time after which it takes the process for hung. */
const PINGS = 3

/** What the service manager that started this process wants to know, from the start of it to its end. */
export class Supervision {
  private watchdog: ReturnType<typeof setInterval> | null = null

  private constructor(
    private readonly notifier: Notifier,
    private readonly watchdogMs: number | null,
    /** Descriptor of the socket to listen on, when one is open already. */
    readonly socket: number | null,
  ) {}

  /** Reads how this process is supervised, if it is. Throws AppError('unavailable') when nobody can be told. */
  static async begin(): Promise<Supervision> {
    const { notifySocket, watchdogMs, socket } = readSupervision()
    const notifier = openNotifier(notifySocket)
    await notifier.tell('STATUS=Starting')
    return new Supervision(notifier, watchdogMs, socket)
  }

  /** It listens. From now on it is said to be alive for as long as `app` is. */
  async ready(app: App, url: string): Promise<void> {
    await this.say(app, 'READY=1', `STATUS=Listening on ${url}`)
    if (this.watchdogMs === null) return
    this.watchdog = setInterval(() => void this.ping(app), this.watchdogMs / PINGS)
  }

  /** It finishes what is under way, and says nothing more after that. */
  async stopping(app: App): Promise<void> {
    await this.say(app, 'STOPPING=1', 'STATUS=Finishing what is under way')
    if (this.watchdog !== null) clearInterval(this.watchdog)
  }

  /** Nothing is sent for a process that is not alive: the manager then ends it and starts another. */
  private async ping(app: App): Promise<void> {
    try {
      await app.alive()
    } catch (error) {
      app.logger.error('no sign of life for the service manager', { error: messageOf(error) })
      return
    }
    await this.say(app, 'WATCHDOG=1')
  }

  /** A manager that does not listen any more must not keep the server from working, nor from ending. */
  private async say(app: App, ...assignments: readonly string[]): Promise<void> {
    try {
      await this.notifier.tell(...assignments)
    } catch (error) {
      app.logger.warn('the service manager was not told', { error: messageOf(error) })
    }
  }
}
