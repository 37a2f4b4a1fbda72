import { AppError, messageOf } from '../../errors.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Host, RepositoryKey } from '../../sources/hosts/host.ts'
import type { HostAddress } from '../../sources/hosts/open-host.ts'
import type { WritePace } from '../../sources/hosts/write-pace.ts'
import type { RepositoryRow } from '../../store/repositories.ts'

/** How long an answer may wait until a host is written to, and then for the host, in milliseconds. */
const PATIENCE = 12_000
const DEADLINE = 12_000

/** What it takes to write webhooks to hosts. */
export interface HostWebhooksParts {
  /** The API of the host of a repository; null for plain git. */
  readonly openHost: (row: RepositoryRow) => { readonly host: Host; readonly address: HostAddress } | null
  readonly pace: WritePace
  readonly logger: Logger
}

/** Webhooks as hosts have them. */
export class HostWebhooks {
  private readonly pending = new Set<Promise<void>>()
  private readonly stopping = new AbortController()

  constructor(private readonly parts: HostWebhooksParts) {}

  /** Whether the repository has a host that can be told of a webhook. */
  canRegister(row: RepositoryRow): boolean {
    return this.parts.openHost(row) !== null
  }

  /** Has the host of a repository notify `hook.url`; returns the host's id of the webhook. Throws AppError('upstream'). */
  async register(row: RepositoryRow, hook: { url: string; secret: string }): Promise<string> {
    return this.write(row, PATIENCE, (host, key, signal) => host.registerWebhook(key, hook, signal))
  }

  /** Takes the registered webhook of a repository away from its host. Throws AppError('upstream'). */
  async remove(row: RepositoryRow): Promise<void> {
    await this.removeWithin(row, PATIENCE)
  }

  /** The same behind the answer, however long others are before it; a failure is logged with what is left to be done. */
  removeLater(row: RepositoryRow): void {
    if (row.webhookId === null) return
    const work: Promise<void> = this.removeWithin(row, Number.POSITIVE_INFINITY)
      .catch((error: unknown) => this.leftBehind(row, error))
      .finally(() => this.pending.delete(work))
    this.pending.add(work)
  }

  /** Logs that a webhook is still at its host. */
  leftBehind(row: RepositoryRow, error: unknown): void {
    this.parts.logger.warn('a webhook is left at its host: remove it in the settings of the repository there', {
      repository: row.id,
      url: row.url,
      webhook: row.webhookId,
      error: messageOf(error),
    })
  }

  /** Waits up to `graceMs` for what is done behind answers, then gives it up. */
  async stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => {
      this.stopping.abort(new AppError('unavailable', 'The server is shutting down.'))
    }, graceMs)
    await Promise.all(this.pending)
    clearTimeout(timer)
  }

  private async removeWithin(row: RepositoryRow, patience: number): Promise<void> {
    const id = row.webhookId
    if (id !== null) await this.write(row, patience, (host, key, signal) => host.removeWebhook(key, id, signal))
  }

  private async write<T>(
    row: RepositoryRow,
    patience: number,
    work: (host: Host, key: RepositoryKey, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const opened = this.parts.openHost(row)
    if (opened === null) throw new AppError('conflict', 'This repository has no host that knows webhooks.')
    const { host, address } = opened
    const where = new URL(address.apiBase).host
    await this.parts.pace.turn(where, patience, this.stopping.signal)
    const late = new AppError('upstream', `${where} did not answer within ${DEADLINE / 1_000} seconds.`, {
      details: { reason: 'unreachable' },
    })
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(late), DEADLINE)
    try {
      const signal = AbortSignal.any([deadline.signal, this.stopping.signal])
      return await work(host, { path: address.path, id: null }, signal)
    } finally {
      clearTimeout(timer)
    }
  }
}
