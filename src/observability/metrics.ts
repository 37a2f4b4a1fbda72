import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { LoopLag } from './loop-lag.ts'

/** A value that is asked for when somebody looks. `labels` as named where the metric is declared. */
export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

/** Name, meaning and labels of a metric whose values are counted elsewhere. */
export interface SampledMetric {
  readonly name: string
  readonly help: string
  readonly kind: 'gauge' | 'counter'
  readonly labels?: readonly string[]
  /** Every value it has now. */
  readonly samples: () => readonly Sample[] | Promise<readonly Sample[]>
}

const PREFIX = 'package_broker_'

/** Hosts that have values of their own; whoever sets up repositories by the thousand must not fill the memory. */
const MOST_HOSTS = 200

/** What the program tells Prometheus. Times in seconds, sizes in bytes, as its conventions have it. */
export class Metrics {
  private readonly registry = new Registry()
  private readonly lag = new LoopLag()
  /** Seconds of the longest time that the event loop was late since this was called last; metrics count for themselves. */
  readonly longestStall = this.lag.reader()
  private readonly hosts = new Set<string>()

  private readonly requests = new Counter({
    name: `${PREFIX}http_requests_total`,
    help: 'Requests answered, by route, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers: [this.registry],
  })
  private readonly requestSeconds = new Histogram({
    name: `${PREFIX}http_request_duration_seconds`,
    help: 'Time until an answer began, by route.',
    labelNames: ['route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [this.registry],
  })
  private readonly upstreamRequests = new Counter({
    name: `${PREFIX}upstream_requests_total`,
    help: 'Requests sent to other servers, by host and status; “failed” for those without an answer.',
    labelNames: ['host', 'status'],
    registers: [this.registry],
  })
  private readonly upstreamSeconds = new Histogram({
    name: `${PREFIX}upstream_request_duration_seconds`,
    help: 'Time until another server began to answer, by host.',
    labelNames: ['host'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers: [this.registry],
  })
  private readonly writeWait = new Histogram({
    name: `${PREFIX}database_write_wait_seconds`,
    help: 'Time that writes waited for those before them.',
    buckets: [0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers: [this.registry],
  })
  private readonly writeSeconds = new Histogram({
    name: `${PREFIX}database_write_duration_seconds`,
    help: 'Time that write transactions took.',
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers: [this.registry],
  })
  private readonly archiveEvents = new Counter({
    name: `${PREFIX}archive_events_total`,
    help: 'What became of archives: built, fetched, evicted, failed, refused, corrupt, mismatch, trouble.',
    labelNames: ['type'],
    registers: [this.registry],
  })

  constructor() {
    for (const type of ['built', 'fetched', 'failed', 'refused', 'corrupt', 'mismatch'])
      this.archiveEvents.inc({ type }, 0)
    const longest = this.lag.reader()
    this.sampled({
      name: 'event_loop_lag_seconds',
      help: 'Longest time that the event loop was late since the last look.',
      kind: 'gauge',
      samples: () => [{ value: longest() }],
    })
  }

  /** Begins to watch the event loop. */
  start(): void {
    this.lag.start()
  }

  /** Ends watching. */
  stop(): void {
    this.lag.stop()
  }

  /** A request was answered. `route` is a pattern, never an address. */
  request(route: string, method: string, status: number, seconds: number): void {
    this.requests.inc({ route, method, status })
    this.requestSeconds.observe({ route }, seconds)
  }

  /** Another server was asked; `status` is null when it gave no answer. */
  upstream(host: string, status: number | null, seconds: number): void {
    if (this.hosts.size < MOST_HOSTS) this.hosts.add(host)
    const label = this.hosts.has(host) ? host : 'other'
    this.upstreamRequests.inc({ host: label, status: status ?? 'failed' })
    this.upstreamSeconds.observe({ host: label }, seconds)
  }

  /** A write transaction ended. */
  databaseWrite(waitedSeconds: number, seconds: number): void {
    this.writeWait.observe(waitedSeconds)
    this.writeSeconds.observe(seconds)
  }

  /** Something happened to an archive. */
  archive(type: string): void {
    this.archiveEvents.inc({ type })
  }

  /** Adds a metric whose values are asked for at each look. */
  sampled({ name, help, kind, labels = [], samples }: SampledMetric): void {
    const Kind = kind === 'gauge' ? Gauge : Counter
    const metric: Gauge | Counter = new Kind({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      registers: [this.registry],
      async collect() {
        const found = await samples()
        metric.reset()
        for (const sample of found) metric.inc(sample.labels ?? {}, sample.value)
      },
    })
  }

  /** Everything, in Prometheus' text format (version 0.0.4). */
  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() }
  }
}
