import { AppError } from '../errors.ts'

/** Ends a request whose server says nothing for a while; the time a slow reader takes does not count. */
export class SilenceTimer {
  private readonly controller = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `host` is named in the error, `patience` is in milliseconds. */
  constructor(
    private readonly host: string,
    private readonly patience: number,
  ) {}

  /** Aborted with AppError('upstream') when the server was silent too long. */
  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** The server is waited for. */
  wait(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.controller.abort(this.failure()), this.patience)
  }

  /** It said something, or nobody waits any more. */
  rest(): void {
    clearTimeout(this.timer)
  }

  /** The same body, with each read of it watched. */
  watch(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader()
    return new ReadableStream({
      pull: async (out) => {
        this.wait()
        try {
          const { done, value } = await reader.read()
          if (done) out.close()
          else out.enqueue(value)
        } catch (error) {
          throw this.signal.aborted ? this.signal.reason : error
        } finally {
          this.rest()
        }
      },
      cancel: (reason) => reader.cancel(reason),
    })
  }

  private failure(): AppError {
    const seconds = Math.round(this.patience / 1000)
    return new AppError('upstream', `${this.host} said nothing for ${seconds} seconds.`, {
      details: { reason: 'unreachable' },
    })
  }
}
