import { type ServerEvent, serverEvents } from '../../src/commands/server-events.ts'

/** Longest time in which an event, or the end, is waited for, in milliseconds. */
const PATIENCE_MS = 20_000

/** The events of an answer, one after the other. */
export class EventReader {
  private readonly events: AsyncGenerator<ServerEvent>

  constructor(response: Response) {
    this.events = serverEvents(response)
  }

  /** The next event with this name; those before it are dropped. Its data as an object. */
  async next(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = await inTime(this.events.next(), `no event ${event}`)
      if (found.done) throw new Error(`the stream ended without ${event}`)
      if (found.value.event === event) return found.value.data as Record<string, unknown>
    }
  }

  /** The names of all events until the end. */
  async rest(): Promise<string[]> {
    const names: string[] = []
    for (;;) {
      const found = await inTime(this.events.next(), 'the stream did not end')
      if (found.done) return names
      names.push(found.value.event)
    }
  }

  /** Goes away, as a client does. */
  async leave(): Promise<void> {
    await this.events.return(undefined)
  }
}

async function inTime<T>(work: Promise<T>, sentence: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(sentence)), PATIENCE_MS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
