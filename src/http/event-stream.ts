/** Milliseconds after which a client that lost the connection should come again. */
const RETRY_MS = 3_000
/** Most bytes that wait for a client to read them; who reads that slowly has stopped. */
const MOST_WAITING = 64 * 1024

const encoder = new TextEncoder()

/** An answer that goes on: server-sent events (HTML standard, section 9.2). */
export class EventStream {
  readonly response: Response
  /** When something was last sent, milliseconds of `performance.now()`. */
  sentAt = performance.now()
  private controller: ReadableStreamDefaultController<Uint8Array> | null = null
  private readonly onEnd: () => void

  /** `onEnd` is called once: when the client goes, or when the answer is ended here. */
  constructor(onEnd: () => void) {
    this.onEnd = onEnd
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.controller = controller
        },
        cancel: () => this.close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
    )
    this.response = new Response(body, {
      headers: {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        // nginx would hold events back until they fill a buffer.
        'X-Accel-Buffering': 'no',
      },
    })
    this.write(`retry: ${RETRY_MS}\n\n`)
  }

  /** Sends an event; `data` becomes JSON. Nothing happens once the answer has ended. */
  send(event: string, data: unknown): void {
    this.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /** Sends a comment, so that nobody on the way takes the connection for a dead one. */
  beat(): void {
    this.write(': still here\n\n')
  }

  /** Ends the answer. */
  end(): void {
    const { controller } = this
    if (controller === null) return
    this.close()
    controller.close()
  }

  private write(text: string): void {
    const { controller } = this
    if (controller === null) return
    if ((controller.desiredSize ?? 0) <= 0) this.end()
    else controller.enqueue(encoder.encode(text))
    this.sentAt = performance.now()
  }

  private close(): void {
    if (this.controller === null) return
    this.controller = null
    this.onEnd()
  }
}
