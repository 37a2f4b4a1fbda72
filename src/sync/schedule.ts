import type { RepositoryRow } from '../store/repositories.ts'

const MINUTE = 60
const HOUR = 3_600
const DAY = 24 * HOUR

const FIRST_RETRY = MINUTE
const LONGEST_RETRY = 6 * HOUR
/** A host may ask for more patience than that, within reason. */
const LONGEST_ASKED = DAY
/** After a time that a host named, repositories are tried again within so many seconds, not all at once. */
const SPREAD = MINUTE

/** Waits after the first and the second time that a repository was not found: three checks within a day. */
const MISSING_RETRIES = [HOUR, 23 * HOUR]

/** Interval of a repository whose changes are told by its host: the sweep only finds what got lost. */
const TOLD_INTERVAL = 6 * HOUR
/** A webhook counts as working for so long after a delivery; many repositories rest for weeks. */
const WEBHOOK_TRUST = 30 * DAY
/** The same for the look at an owner, which is asked after every few minutes. */
const PROBE_TRUST = HOUR

/** What says when a repository is looked at. Times are Unix seconds. */
export interface Watched extends Pick<RepositoryRow, 'syncInterval' | 'lastWebhookAt'> {
  /** When its owner was last asked what changed; null when nobody asks. */
  readonly probedAt: number | null
}

/**
 * Seconds between two looks: what was set for the repository; else the default, or six hours where webhooks or looks
 * at the owner tell of changes.
 */
export function lookInterval(watched: Watched, defaultInterval: number, now: number): number {
  const { syncInterval, lastWebhookAt, probedAt } = watched
  if (syncInterval !== null) return syncInterval
  const told = now - (lastWebhookAt ?? 0) < WEBHOOK_TRUST || now - (probedAt ?? 0) < PROBE_TRUST
  return told ? Math.max(defaultInterval, TOLD_INTERVAL) : defaultInterval
}

/** When an active repository is looked at again, in Unix seconds: its interval, up to 15 % earlier or later. */
export function nextLook(interval: number, now: number, random = Math.random): number {
  return Math.round(now + interval * around(random))
}

/**
 * When a failed repository is tried again: one minute doubled with each failure up to six hours, half of it by chance
 * so that a host that comes back is not asked by everybody at once. `failures` are those before this one.
 */
export function nextRetry(failures: number, now: number, random = Math.random): number {
  const ceiling = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 20))
  return Math.round(now + ceiling * (0.5 + 0.5 * random()))
}

/** When a repository is tried again whose host asked to be left alone until `time`; at most a day later. */
export function retryAfterLimit(time: number, now: number, random = Math.random): number {
  return Math.round(Math.min(Math.max(time, now), now + LONGEST_ASKED) + SPREAD * random())
}

/**
 * When a repository is tried again that a person has to mend first, because its credential was refused: once a day, for
 * somebody may have mended it at the host. A new credential is tried at once.
 */
export function retryAfterRefusal(now: number, random = Math.random): number {
  return Math.round(now + DAY * around(random))
}

/** When a repository is looked for again that was not found `times` times in a row, this one included. */
export function retryAfterMissing(times: number, now: number, random = Math.random): number {
  return Math.round(now + (MISSING_RETRIES[times - 1] ?? DAY) * around(random))
}

/** True for a repository that was not found often enough to believe it. */
export function isGone(times: number): boolean {
  return times > MISSING_RETRIES.length
}

/** 15 % less to 15 % more. */
function around(random: () => number): number {
  return 0.85 + 0.3 * random()
}
