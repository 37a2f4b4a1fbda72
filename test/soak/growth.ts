import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What a process holds at a moment; `at` in milliseconds. */
interface Sample {
  readonly at: number
  readonly pid: number
  readonly rss: number
  readonly fds: number
  readonly wal: number
}

/** Share of the time that counts as warming up. */
const WARM_UP = 1 / 3
const MEBIBYTE = 1024 * 1024

/** Watches what a server holds, while it runs. */
export class Growth {
  private readonly samples: Sample[] = []
  private readonly timer: ReturnType<typeof setInterval>

  /** `pid` gives the process at the moment; `directory` holds the database. */
  constructor(
    private readonly pid: () => number,
    private readonly directory: string,
  ) {
    this.timer = setInterval(() => this.take(), 1_000)
  }

  /** Ends watching; the lines of the report. */
  report(): string[] {
    clearInterval(this.timer)
    const longest =
      [...Map.groupBy(this.samples, ({ pid }) => pid).values()].sort((a, b) => b.length - a.length)[0] ?? []
    const peak = (field: 'rss' | 'fds' | 'wal') => Math.max(0, ...this.samples.map((sample) => sample[field]))
    const warm = longest.slice(Math.floor(longest.length * WARM_UP))
    return [
      `resident memory: peak ${mib(peak('rss'))}, last ${mib(this.samples.at(-1)?.rss ?? 0)}; slope of the longest life ${slope(warm, 'rss', MEBIBYTE)} MiB/h over ${warm.length} s`,
      `file descriptors: peak ${peak('fds')}; slope ${slope(warm, 'fds', 1)} /h`,
      `write-ahead log: peak ${mib(peak('wal'))}`,
    ]
  }

  private take(): void {
    const pid = this.pid()
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
      const fds = readdirSync(`/proc/${pid}/fd`).length
      const wal = statSync(join(this.directory, 'package-broker.db-wal'), { throwIfNoEntry: false })?.size ?? 0
      this.samples.push({ at: Date.now(), pid, rss, fds, wal })
    } catch {
      // It was killed a moment ago, which is what the soak does.
    }
  }
}

/** Least squares, per hour. */
function slope(samples: readonly Sample[], field: 'rss' | 'fds', unit: number): string {
  if (samples.length < 30) return 'unknown'
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(samples.map(({ at }) => at)), mean(samples.map((sample) => sample[field]))]
  const over = samples.reduce((sum, sample) => sum + (sample.at - x) * (sample[field] - y), 0)
  const under = samples.reduce((sum, { at }) => sum + (at - x) ** 2, 0)
  return (((over / under) * 3_600_000) / unit).toFixed(1)
}

function mib(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(0)} MiB`
}
