import { AppError } from '../errors.ts'

/** How much is done at once and how much may wait. */
export interface FairBounds {
  /** Jobs at a time, altogether. */
  readonly atOnce: number
  /** Of these, jobs that speak to one host: one that hangs must not keep the others waiting. */
  readonly perHost: number
  /** Of these, jobs of one client. */
  readonly perClient: number
  /** Jobs that may wait for their turn. */
  readonly waiting: number
}

/** What somebody who is turned away is told to wait, in seconds. */
const RETRY_AFTER = 10

/** A job's place in a queue. Clients that want the same share it: whoever's turn comes first brings the job forward. */
export class Ticket {
  /** Who waits for it, in the order they came. */
  readonly clients: Set<string>
  /** Set while it waits. */
  turn: PromiseWithResolvers<string> | null = null

  /** `host` is where the job goes, empty for this machine; `client` is who wants it. */
  constructor(
    readonly host: string,
    client: string,
  ) {
    this.clients = new Set([client])
  }
}

/**
 * Runs jobs within bounds in all, per host and per client. Those that wait stand in a line per client, and the lines
 * take turns, so that a client with a thousand jobs delays another by one job. When too much waits, the longest line
 * loses its end: whoever asks for little is not turned away because of somebody who asks for much.
 */
export class FairQueue {
  readonly #bounds: FairBounds
  readonly #hosts = new Map<string, number>()
  readonly #clients = new Map<string, number>()
  /** Those that wait, by client; the client whose turn is next is the first. */
  readonly #lines = new Map<string, Set<Ticket>>()
  #running = 0
  #waiting = 0
  #idle: (() => void)[] = []
  /** Jobs that were turned away since the start. */
  refused = 0

  constructor(bounds: FairBounds) {
    this.#bounds = bounds
  }

  /** How many jobs run. */
  get running(): number {
    return this.#running
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** Runs the job when its turn has come. Throws AppError('unavailable') when too much waits. */
  async run<T>(ticket: Ticket, job: () => Promise<T>): Promise<T> {
    const client = this.#startable(ticket) ?? (await this.#wait(ticket))
    try {
      return await job()
    } finally {
      this.#leave(ticket.host, client)
    }
  }

  /** Another client wants the job of this ticket too. */
  join(ticket: Ticket, client: string): void {
    if (ticket.clients.has(client)) return
    ticket.clients.add(client)
    if (ticket.turn === null) return
    this.#line(client).add(ticket)
    this.#startNext()
  }

  /** Fails everything that has not started yet. */
  rejectWaiting(error: unknown): void {
    const tickets = new Set([...this.#lines.values()].flatMap((line) => [...line]))
    for (const ticket of tickets) this.#drop(ticket)?.reject(error)
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Takes a place for the ticket if there is one; the client it counts for, or null. Whoever waits has none to take. */
  #startable(ticket: Ticket): string | null {
    if (!this.#hasRoom(ticket.host)) return null
    for (const client of ticket.clients) {
      if (this.#mayHaveMore(client)) return this.#take(ticket.host, client)
    }
    return null
  }

  #wait(ticket: Ticket): Promise<string> {
    const turn = Promise.withResolvers<string>()
    ticket.turn = turn
    this.#waiting += 1
    for (const client of ticket.clients) this.#line(client).add(ticket)
    if (this.#waiting > this.#bounds.waiting) this.#turnAway(ticket)
    return turn.promise
  }

  /** Takes the end off the longest line; what others want too stays, and then it is the newcomer that goes. */
  #turnAway(newcomer: Ticket): void {
    const [longest = new Set<Ticket>()] = [...this.#lines.values()].sort((one, other) => other.size - one.size)
    const last = [...longest].findLast(({ clients }) => clients.size === 1) ?? newcomer
    this.refused += 1
    this.#drop(last)?.reject(
      new AppError('unavailable', 'Too many archives are being prepared at the moment; try again in a minute.', {
        details: { retry_after: RETRY_AFTER },
      }),
    )
  }

  #leave(host: string, client: string): void {
    this.#running -= 1
    lower(this.#hosts, host)
    lower(this.#clients, client)
    this.#startNext()
    if (this.#running > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }

  /** Starts what there is room for. A place goes to the next one directly, so that a newcomer cannot slip in between. */
  #startNext(): void {
    while (this.#running < this.#bounds.atOnce) {
      const next = this.#next()
      if (!next) return
      const { ticket, client } = next
      this.#take(ticket.host, client)
      this.#drop(ticket)?.resolve(client)
      this.#toTheEnd(client)
    }
  }

  #next(): { ticket: Ticket; client: string } | null {
    for (const [client, line] of this.#lines) {
      if (!this.#mayHaveMore(client)) continue
      for (const ticket of line) if (this.#hasRoom(ticket.host)) return { ticket, client }
    }
    return null
  }

  #hasRoom(host: string): boolean {
    return this.#running < this.#bounds.atOnce && (this.#hosts.get(host) ?? 0) < this.#bounds.perHost
  }

  #mayHaveMore(client: string): boolean {
    return (this.#clients.get(client) ?? 0) < this.#bounds.perClient
  }

  #take(host: string, client: string): string {
    this.#running += 1
    this.#hosts.set(host, (this.#hosts.get(host) ?? 0) + 1)
    this.#clients.set(client, (this.#clients.get(client) ?? 0) + 1)
    return client
  }

  /** Takes a ticket out of every line. */
  #drop(ticket: Ticket): PromiseWithResolvers<string> | null {
    const { turn } = ticket
    if (turn === null) return null
    ticket.turn = null
    this.#waiting -= 1
    for (const client of ticket.clients) {
      const line = this.#lines.get(client)
      line?.delete(ticket)
      if (line?.size === 0) this.#lines.delete(client)
    }
    return turn
  }

  #line(client: string): Set<Ticket> {
    const line = this.#lines.get(client) ?? new Set()
    this.#lines.set(client, line)
    return line
  }

  #toTheEnd(client: string): void {
    const line = this.#lines.get(client)
    if (!line) return
    this.#lines.delete(client)
    this.#lines.set(client, line)
  }
}

function lower(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
