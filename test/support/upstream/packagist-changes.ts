import type { UpstreamAnswer } from './http-connection.ts'
import { jsonAnswer } from './upstream-server.ts'

/** The oldest value of `since` that Packagist takes for a timestamp at all. */
const EARLIEST = 15_850_612_240_000

/** Ticks per second of the timestamps. */
const TICKS = 10_000

/** The feed of changes. Times are in ten-thousandths of a second. packagist: `PackageController::metadataChangesAction`. */
export class ChangesFeed {
  private readonly updates = new Map<string, number>()
  private readonly deletes = new Map<string, number>()
  private newest = 0
  private oldest = EARLIEST

  /** A file was written: `acme/lib`, or `acme/lib~dev`; `seconds` is what its `Last-Modified` says. */
  updated(file: string, seconds: number): void {
    this.updates.set(file, this.stamp(seconds))
  }

  /** A package was removed, with both of its files. */
  deleted(name: string, seconds: number): void {
    this.deletes.set(name, this.stamp(seconds))
  }

  /** Drops what happened until now, as a day later: who asks from before gets `resync`. */
  forget(): void {
    this.updates.clear()
    this.deletes.clear()
    this.oldest = this.newest + 1
  }

  /** The answer to `/metadata/changes.json?since=…`. */
  answer(sinceText: string | null): UpstreamAnswer {
    const timestamp = this.newest + 1
    const since = Number.parseInt(sinceText ?? '', 10)
    if (!(since >= EARLIEST)) {
      const error = 'Invalid or missing "since" query parameter, make sure you store the timestamp you got last'
      return jsonAnswer({ error, timestamp }, {}, 400)
    }
    if (since < this.oldest) {
      const action = { type: 'resync', time: Math.floor(timestamp / TICKS), package: '*' }
      return jsonAnswer({ actions: [action], timestamp })
    }
    return jsonAnswer({ actions: this.actionsSince(since), timestamp })
  }

  /** One action per file; a delete hides the updates that are not at least ten seconds younger. */
  private actionsSince(since: number): object[] {
    const actions = new Map<string, { type: string; package: string; time: number }>()
    for (const [file, stamp] of this.updates) {
      if (stamp >= since) actions.set(file, { type: 'update', package: file, time: timeOf(stamp) })
    }
    for (const [name, stamp] of this.deletes) {
      const updated = Math.max(actions.get(name)?.time ?? 0, actions.get(`${name}~dev`)?.time ?? 0)
      if (stamp < since || updated >= stamp / TICKS + 10) continue
      actions.set(name, { type: 'delete', package: name, time: timeOf(stamp) })
      actions.delete(`${name}~dev`)
    }
    return [...actions.values()]
  }

  private stamp(seconds: number): number {
    this.newest = Math.max(this.newest + 1, seconds * TICKS)
    return this.newest
  }
}

/** Packagist takes a fifth of a second off, as a file may be a little older than its line in the feed. */
function timeOf(stamp: number): number {
  return Math.floor((stamp - 2000) / TICKS)
}
