interface Flight {
  readonly result: Promise<unknown>
  readonly controller: AbortController
  waiting: number
}

/** Equal work that is wanted several times at once is done once. It is given up when nobody waits for it any more. */
export class SingleFlight {
  private readonly flights = new Map<string, Flight>()

  /**
   * What `work` of this key gives; joins the one that is under way. Equal keys must mean work of equal results. An
   * aborted `signal` ends the waiting, and the work only when it was the last one.
   */
  async run<T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const flight = this.flights.get(key) ?? this.start(key, work)
    flight.waiting++
    let leave = () => {}
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason)
      signal.addEventListener('abort', leave)
    })
    try {
      return (await Promise.race([flight.result, left])) as T
    } finally {
      signal.removeEventListener('abort', leave)
      if (--flight.waiting === 0) this.end(key, flight)
    }
  }

  private start(key: string, work: (signal: AbortSignal) => Promise<unknown>): Flight {
    const controller = new AbortController()
    const flight: Flight = { result: work(controller.signal), controller, waiting: 0 }
    this.flights.set(key, flight)
    const end = () => this.end(key, flight)
    flight.result.then(end, end)
    return flight
  }

  private end(key: string, flight: Flight): void {
    if (this.flights.get(key) === flight) this.flights.delete(key)
    flight.controller.abort(new DOMException('Nobody waits for it any more.', 'AbortError'))
  }
}
