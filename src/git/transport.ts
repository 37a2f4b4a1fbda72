/** The bytes of one answer. Exactly one of `finish` and `abandon` is called, after which nothing more is read. */
export interface GitReply {
  /** The next bytes, or null at the end of the answer. Throws `AppError('upstream')` when the connection breaks. */
  read(): Promise<Uint8Array | null>
  /** The answer was read to its last packet: the connection may be used again. */
  finish(): Promise<void>
  /** The rest is not wanted: the connection is given up. */
  abandon(): void
}

/** A way to reach `git upload-pack` with protocol version 2 (`git: protocol-v2`). */
export interface GitTransport {
  /**
   * The capability advertisement, as packets. Throws `AppError('upstream')` with a reason: `auth`, `missing`,
   * `unreachable`, `rate_limited`, `unsupported` or `protocol`.
   */
  advertisement(signal: AbortSignal): Promise<GitReply>
  /** One command (`ls-refs` or `fetch`) with all its packets; the answer ends with a flush packet. */
  command(request: Uint8Array, signal: AbortSignal): Promise<GitReply>
  /** Ends connections that are still open. Calling it twice is fine; a later request opens a new one. */
  close(): Promise<void>
}
