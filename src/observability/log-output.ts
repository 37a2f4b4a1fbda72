import type { Writable } from 'node:stream'
import { createLogger, type Logger, type LogLevel } from './logger.ts'

/** Bytes that may wait for a reader. The pipe itself holds another 64 KiB. */
const MOST_WAITING = 1024 * 1024

/**
 * Where lines of the log go. Bun keeps what a pipe does not take in memory, without end: here lines are dropped and
 * counted once a megabyte waits, as are those that a full disk or a reader that went away refuses. So the log never
 * holds up the program, fills its memory or ends it.
 */
export class LogOutput {
  /** Lines that nobody will read. */
  dropped = 0
  private waiting = 0
  private untold = 0

  /** `onRelief` is told how many lines were dropped, once lines are written again. */
  constructor(
    private readonly stream: Writable,
    private readonly onRelief: (lines: number) => void,
  ) {
    // Each failure also comes with the line it belongs to; without anybody who listens it would end the process.
    stream.on('error', () => {})
  }

  /** Writes a line, or drops it. */
  write(line: string): void {
    if (this.waiting >= MOST_WAITING) {
      this.drop()
      return
    }
    const { length } = line
    this.waiting += length
    this.stream.write(line, (error) => {
      this.waiting -= length
      if (error) this.drop()
      else if (this.untold > 0) this.relieved()
    })
  }

  private drop(): void {
    this.dropped += 1
    this.untold += 1
  }

  private relieved(): void {
    const lines = this.untold
    this.untold = 0
    this.onRelief(lines)
  }
}

/** A logger to a stream, which tells in a line of its own how many lines were dropped; and how many were altogether. */
export function streamLogger(
  stream: Writable,
  options: { level: LogLevel; format: 'json' | 'pretty' },
): { logger: Logger; dropped: () => number } {
  const output = new LogOutput(stream, (lines) => logger.warn('lines of the log were dropped', { lines }))
  const logger = createLogger({ ...options, write: (line) => output.write(line) })
  return { logger, dropped: () => output.dropped }
}
