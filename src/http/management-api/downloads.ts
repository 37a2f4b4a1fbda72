import { limitsVersions, type Scope } from '../../auth/scope.ts'
import type { PackageRow } from '../../store/packages.ts'
import { type DownloadCounts, dayOf } from '../download-counts.ts'
import { wrongField } from './request-body.ts'
import { covered, type ShownPackageParts } from './shown-package.ts'

/** What answering about downloads takes. `now` gives Unix seconds. */
export interface DownloadsParts extends ShownPackageParts {
  readonly downloadCounts: DownloadCounts
  readonly now: () => number
}

const DAY = 86_400
/** Days of one answer, and those it covers when none are named. */
const MOST_DAYS = 366
const USUAL_DAYS = 30

/**
 * Downloads of a package by day and by version, each day from `from` to `to` (`2026-11-22`, UTC, both included; the last
 * 30 days when they are left out). A scope that limits versions counts only those it covers.
 * Throws AppError('invalid') for a range that is none or longer than 366 days.
 */
export async function packageDownloads(
  parts: DownloadsParts,
  scope: Scope,
  row: PackageRow,
  query: { readonly from?: string | undefined; readonly to?: string | undefined },
) {
  const { from, to } = rangeOf(query, parts.now())
  await parts.downloadCounts.settle()
  const seen = limitsVersions(scope, row.name)
    ? covered(scope, row.name, await parts.packages.versions(row.id)).map((version) => version.versionNormalized)
    : null
  const range = { packageId: row.id, from: dayOf(from), to: dayOf(to), versions: seen }
  const counts = new Map((await parts.downloads.byDay(range)).map(({ day, count }) => [day, count]))
  const versions = await parts.downloads.byVersion(range)
  const days: { day: string; downloads: number }[] = []
  for (let at = from; at <= to; at += DAY) days.push({ day: dayOf(at), downloads: counts.get(dayOf(at)) ?? 0 })
  return {
    total: days.reduce((sum, { downloads }) => sum + downloads, 0),
    days,
    versions: versions.map(({ version, count }) => ({ version, downloads: count })),
  }
}

/** First and last day as the Unix seconds of their beginnings. */
function rangeOf(query: { readonly from?: string | undefined; readonly to?: string | undefined }, now: number) {
  const to = query.to === undefined ? now - (now % DAY) : dayIn('to', query.to)
  const from = query.from === undefined ? to - (USUAL_DAYS - 1) * DAY : dayIn('from', query.from)
  if (from > to) throw wrongField('from', 'needs a day that is not after the one of “to”')
  if ((to - from) / DAY >= MOST_DAYS) throw wrongField('from', `needs a day at most ${MOST_DAYS} days before “to”`)
  return { from, to }
}

function dayIn(field: string, text: string): number {
  const seconds = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) / 1000 : Number.NaN
  if (Number.isNaN(seconds) || dayOf(seconds) !== text) throw wrongField(field, 'needs a day like 2026-11-22')
  return seconds
}
