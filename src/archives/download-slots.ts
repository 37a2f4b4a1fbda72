import { WorkQueue } from './work-queue.ts'

interface Host {
  readonly queue: WorkQueue
  jobs: number
}

/** Downloads at once, and of these from one host: one that hangs must not keep the others waiting. */
const AT_ONCE = 48
const PER_HOST = 16
/** Downloads that wait, altogether and for one host. Composer asks again at once when it is turned away, so they wait. */
const WAITING = 2_000

/** Bounds how many downloads run. */
export class DownloadSlots {
  readonly #all = new WorkQueue(AT_ONCE, WAITING)
  readonly #hosts = new Map<string, Host>()

  /** Runs the job when there is room for it. Throws AppError('unavailable') when too many wait already. */
  async run<T>(host: string, job: () => Promise<T>): Promise<T> {
    const own = this.#hosts.get(host) ?? { queue: new WorkQueue(PER_HOST, WAITING), jobs: 0 }
    this.#hosts.set(host, own)
    own.jobs += 1
    try {
      return await own.queue.run(() => this.#all.run(job))
    } finally {
      own.jobs -= 1
      if (own.jobs === 0) this.#hosts.delete(host)
    }
  }

  /** Fails everything that has not started yet. */
  rejectWaiting(error: unknown): void {
    for (const { queue } of this.#hosts.values()) queue.rejectWaiting(error)
    this.#all.rejectWaiting(error)
  }

  /** Resolves when nothing runs. */
  idle(): Promise<void> {
    return this.#all.idle()
  }
}
