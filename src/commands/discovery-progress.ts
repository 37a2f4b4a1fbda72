import { withoutControls } from '../printable.ts'
import { EXIT, print } from './command.ts'
import type { ManagementClient } from './management-client.ts'

/** A discovery as the management API shows it, as far as commands read it. */
export interface DiscoveryView {
  readonly id: string
  readonly url: string
  readonly vcs_type: string
  readonly status: string
  readonly looking: boolean
  readonly error_message: string | null
  readonly found: number
  readonly added: number
  readonly skipped: number
  readonly gone: number
  readonly failed: number
  readonly next_look_at: number | null
}

/** A repository that a discovery found. */
export interface FoundView {
  readonly host_id: string
  readonly path: string
  readonly state: 'added' | 'skipped' | 'gone' | 'failed'
  readonly reason: string | null
  readonly repository_id: string | null
}

const LOOK_MS = 200

/** Where the management API has a discovery. */
export function discoveryPath(id: string): string {
  return `/api/discoveries/${encodeURIComponent(id)}`
}

/** Everything that a discovery found. */
export async function foundBy(api: ManagementClient, id: string): Promise<FoundView[]> {
  return (await api.list(`${discoveryPath(id)}/repositories?limit=1000`)) as unknown as FoundView[]
}

/**
 * Waits for the end of the look that was asked for when the discovery was as in `asked`. Calls `onFound` for each repository
 * that is another one than in `before`, or has become something else, as it is settled.
 */
export async function waitForLook(
  api: ManagementClient,
  asked: DiscoveryView,
  before: readonly FoundView[],
  onFound: (found: FoundView) => void,
): Promise<{ view: DiscoveryView; found: FoundView[] }> {
  const known = new Map(before.map((row) => [row.host_id, toldOf(row)]))
  const since = asked.looking ? 0 : (asked.next_look_at ?? 0)
  for (;;) {
    const view = (await api.call('GET', discoveryPath(asked.id))) as DiscoveryView
    const found = await foundBy(api, asked.id)
    for (const row of found) {
      if (known.get(row.host_id) === toldOf(row)) continue
      known.set(row.host_id, toldOf(row))
      onFound(row)
    }
    const next = view.next_look_at
    if (!view.looking && view.status !== 'pending' && (next === null || next > since)) return { view, found }
    await Bun.sleep(LOOK_MS)
  }
}

/** One line for a repository that was found. */
export function foundLine({ state, path, reason, repository_id: id }: FoundView): string {
  const end = reason === null ? `  ${id ?? ''}` : `: ${reason}`
  return withoutControls(`${state.padEnd(7)}  ${path}${end}`).trimEnd()
}

/** Prints how a discovery stands; the exit code says whether its owner can be listed. */
export function reportDiscovery(view: DiscoveryView, json: boolean, value: unknown = view): number {
  print(json, value, () => [
    `${view.id}  ${view.status}  ${view.url}: ${view.added} added, ${view.skipped} skipped, ${view.gone} gone, ${view.failed} failed`,
    ...(view.error_message === null ? [] : [`  ${withoutControls(view.error_message)}`]),
    ...(view.error_message === null || view.next_look_at === null
      ? []
      : [`  It is looked at again at ${new Date(view.next_look_at * 1000).toISOString()}.`]),
  ])
  return view.status === 'error' ? EXIT.failed : EXIT.done
}

function toldOf({ state, path, reason }: FoundView): string {
  return JSON.stringify([state, path, reason])
}
