import type { ManagementClient } from './management-client.ts'
import { serverEvents } from './server-events.ts'

/** A repository as the management API shows it, as far as commands read it. */
export interface RepositoryView {
  readonly id: string
  readonly url: string
  readonly status: string
  readonly packages: number
  readonly versions: number
  readonly error_code: string | null
  readonly error_message: string | null
  readonly last_synced_at: number | null
  readonly next_sync_at: number | null
  readonly webhook_url: string | null
  readonly last_webhook_at: number | null
  readonly host: { path: string; visibility: string; archived: boolean } | null
  readonly host_error: { message: string } | null
  readonly issues: readonly { ref: string; reason: string }[]
  readonly progress: Progress | null
}

interface Progress {
  readonly done: number
  readonly total: number
  readonly step: string
}

/** Between two looks at a repository whose events cannot be had, in milliseconds. */
const LOOK_MS = 150

/**
 * Waits until a repository has no sync under way, or has to wait for its host. Progress is shown on standard error: on
 * one line of a terminal, or with `lines` each step on a line of its own.
 */
export async function waitForSync(api: ManagementClient, id: string, lines = false): Promise<RepositoryView> {
  const path = `/api/repositories/${encodeURIComponent(id)}`
  const display = new Display(lines)
  let events = true
  for (;;) {
    if (events) events = await followed(api, path, display)
    const view = (await api.call('GET', path)) as RepositoryView
    if (view.progress === null) {
      display.clear()
      return view
    }
    display.show(view.progress)
    if (!events) await Bun.sleep(LOOK_MS)
  }
}

/** True once nothing is under way; false when there are no events to know it from, and it has to be asked for. */
async function followed(api: ManagementClient, path: string, display: Display): Promise<boolean> {
  try {
    for await (const { event, data } of serverEvents(await api.get(`${path}/events`))) {
      if (event === 'progress') display.show(data as Progress)
      if (event === 'status' && !(data as { under_way: boolean }).under_way) return true
    }
  } catch {
    // Whatever broke it, the repository itself can still be asked for.
  }
  return false
}

/** What is under way, on standard error. */
class Display {
  private last = ''

  constructor(private readonly lines: boolean) {}

  show({ done, total, step }: Progress): void {
    const text = `${step}${total > 0 ? ` ${done}/${total}` : ''}`
    if (text === this.last) return
    this.last = text
    if (this.lines) process.stderr.write(`${text}\n`)
    else if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text} …`)
  }

  clear(): void {
    if (!this.lines && process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }
}
