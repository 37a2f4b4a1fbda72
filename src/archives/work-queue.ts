import { AppError } from '../errors.ts'

interface Waiting {
  readonly start: () => void
  readonly reject: (error: unknown) => void
}

/** Runs a bounded number of jobs at a time; a bounded number more wait in order of arrival. */
export class WorkQueue {
  readonly #concurrency: number
  readonly #limit: number
  #running = 0
  #waiting: Waiting[] = []
  #idle: (() => void)[] = []

  /** `limit` bounds how many may wait. */
  constructor(concurrency: number, limit: number) {
    this.#concurrency = concurrency
    this.#limit = limit
  }

  /** Runs the job when there is room for it. Throws AppError('unavailable') when too many wait already. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#concurrency) await this.#wait()
    else this.#running += 1
    try {
      return await job()
    } finally {
      this.#leave()
    }
  }

  /** Fails everything that has not started yet. */
  rejectWaiting(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(error)
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#limit) {
      throw new AppError('unavailable', 'Too many archives are being prepared at the moment; try again in a minute.')
    }
    return new Promise((start, reject) => this.#waiting.push({ start, reject }))
  }

  /** The place of a finished job goes to the next one directly, so that a newcomer cannot slip in between. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next) {
      next.start()
      return
    }
    this.#running -= 1
    if (this.#running > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}

/** Work on the same key runs one after the other, in order of arrival; different keys do not wait for each other. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs the job after all earlier ones of this key, whether they failed or not. */
  async run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(job, job)
    this.#tails.set(key, result)
    try {
      return await result
    } finally {
      if (this.#tails.get(key) === result) this.#tails.delete(key)
    }
  }

  /** True while a job of this key runs or waits. */
  busy(key: string): boolean {
    return this.#tails.has(key)
  }

  /** Resolves when the jobs of now are done. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#tails.values())
  }
}
