import type { Pacer } from '../pacer.ts'
import { withoutControls } from '../printable.ts'
import type { JobResult } from '../store/jobs.ts'
import type { RefIssue } from '../store/repositories.ts'
import type { SyncOutcome, SyncState } from '../store/sync-state.ts'

/** Most refs named in a result; a repository shows as many. */
const MOST_ISSUES = 1_000

/** What an outcome changes of the state that it was made from, versions as `vendor/name 1.2.0`. */
export async function resultOf(outcome: SyncOutcome, state: SyncState, pace: Pacer): Promise<JobResult> {
  await pace.rest()
  const stored = new Map(state.packages.map((entry) => [entry.name, entry.versions]))
  const added: string[] = []
  const changed: string[] = []
  const removed: string[] = []
  for (const { name, save, hide } of outcome.packages) {
    const rows = new Map((stored.get(name) ?? []).map((row) => [row.versionNormalized, row]))
    for (const draft of save) {
      const before = rows.get(draft.versionNormalized)
      const visible = before !== undefined && before.hiddenAt === null
      const list = visible ? changed : added
      list.push(`${name} ${draft.version}`)
    }
    if (pace.due()) await pace.rest()
    for (const normalized of hide) removed.push(`${name} ${rows.get(normalized)?.version ?? normalized}`)
  }
  const issues = outcome.refs.flatMap(({ name, issue }) =>
    issue === null ? [] : [{ ref: withoutControls(name), reason: issue }],
  )
  return { added, changed, removed, issues: issues.slice(0, MOST_ISSUES) }
}

/** The result of a sync that found everything as it was: the same refs are refused as before. */
export function unchangedResult(issues: readonly RefIssue[]): JobResult {
  return { added: [], changed: [], removed: [], issues }
}
