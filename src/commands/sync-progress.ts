import type { ManagementClient } from './management-client.ts'

/** A repository as the management API shows it, as far as commands read it. */
export interface RepositoryView {
  readonly id: string
  readonly url: string
  readonly status: string
  readonly packages: number
  readonly versions: number
  readonly error_message: string | null
  readonly host: { path: string; visibility: string; archived: boolean } | null
  readonly host_error: { message: string } | null
  readonly issues: readonly { ref: string; reason: string }[]
  readonly progress: { done: number; total: number; step: string } | null
}

const LOOK_MS = 150

/** Waits until the repository has no unfinished job, with a progress line when standard error is a terminal. */
export async function waitForSync(api: ManagementClient, id: string): Promise<RepositoryView> {
  const terminal = process.stderr.isTTY
  for (;;) {
    const view = (await api.call('GET', `/api/repositories/${encodeURIComponent(id)}`)) as RepositoryView
    if (view.progress === null) {
      if (terminal) process.stderr.write('\r\u001b[K')
      return view
    }
    const { done, total, step } = view.progress
    if (terminal) process.stderr.write(`\r\u001b[K${step}${total > 0 ? ` ${done}/${total}` : ''} …`)
    await Bun.sleep(LOOK_MS)
  }
}
