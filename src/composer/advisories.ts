import { asObject } from './json.ts'
import { plainAddress, plainText } from './plain-text.ts'
import { servedConstraint } from './served-constraint.ts'

/** Degrees of severity that Composer knows. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const

/** A degree of severity. */
export type Severity = (typeof SEVERITIES)[number]

/** Who knows of an advisory, and by which id. */
export interface AdvisorySource {
  readonly name: string
  readonly remoteId: string
}

/** What makes an advisory a full one, which `composer audit` needs. */
export interface AdvisoryDetails {
  readonly title: string
  /** At least one. */
  readonly sources: readonly AdvisorySource[]
  /** `Y-m-d H:i:s`, UTC. */
  readonly reportedAt: string
  readonly cve: string | null
  readonly link: string | null
  readonly severity: Severity | null
  /** Address of the repository that it is about, as its source says; null when it does not. */
  readonly composerRepository: string | null
}

/** A security advisory of a package. Without details it says no more than which versions are affected. */
export interface Advisory {
  readonly advisoryId: string
  /** A constraint that every client reads. */
  readonly affectedVersions: string
  readonly details: AdvisoryDetails | null
}

/** Most advisories of one package that are taken over from one place. */
export const MOST_ADVISORIES = 500
/** Most characters that they may have together, so that no document is made unreadably large by a stranger. */
const LONGEST_LIST = 256 * 1024
const MOST_SOURCES = 20

/** A CVE number. */
export const CVE = /^CVE-\d{4}-\d{4,19}$/
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/
const UNKNOWN_DATE = '1970-01-01 00:00:00'

/**
 * The advisories of one package out of a list as an upstream wrote it, `security-advisories` of a document or a list of
 * its API: bounded, without control characters, and with constraints that every client reads. What cannot be mended is
 * left out: a client before 2.8.11 ends at the first advisory that it cannot read.
 */
export function readAdvisories(value: unknown): Advisory[] {
  // PHP writes a list that has lost an entry as an object.
  const list = Array.isArray(value) ? value : Object.values(asObject(value) ?? {})
  const read: Advisory[] = []
  let length = 0
  for (const entry of list.slice(0, MOST_ADVISORIES)) {
    const advisory = readAdvisory(entry)
    if (advisory === null || read.some(({ advisoryId }) => advisoryId === advisory.advisoryId)) continue
    length += JSON.stringify(advisory).length
    if (length > LONGEST_LIST) break
    read.push(advisory)
  }
  return read
}

function readAdvisory(value: unknown): Advisory | null {
  const entry = asObject(value)
  const { advisoryId, affectedVersions } = entry ?? {}
  if (entry === null || typeof advisoryId !== 'string' || !ID.test(advisoryId)) return null
  const constraint = typeof affectedVersions === 'string' ? servedConstraint(affectedVersions) : null
  if (constraint === null) return null
  return { advisoryId, affectedVersions: constraint, details: readDetails(entry, advisoryId) }
}

function readDetails(entry: Record<string, unknown>, advisoryId: string): AdvisoryDetails | null {
  const title = plainText(entry.title, 500)
  if (title === null) return null
  const sources = readSources(entry)
  return {
    title,
    sources: sources.length > 0 ? sources : [{ name: 'unknown', remoteId: advisoryId }],
    reportedAt: dateOf(entry.reportedAt) ?? UNKNOWN_DATE,
    cve: typeof entry.cve === 'string' && CVE.test(entry.cve) ? entry.cve : null,
    link: plainAddress(entry.link),
    severity: SEVERITIES.find((severity) => severity === entry.severity) ?? null,
    composerRepository: plainAddress(entry.composerRepository),
  }
}

function readSources({ sources }: Record<string, unknown>): AdvisorySource[] {
  return (Array.isArray(sources) ? sources : []).slice(0, MOST_SOURCES).flatMap((value: unknown) => {
    const name = plainText(asObject(value)?.name, 100)
    const remoteId = plainText(asObject(value)?.remoteId, 200)
    return name === null || remoteId === null ? [] : [{ name, remoteId }]
  })
}

/** A date in the form that is served; one without a zone is in UTC, as Composer reads it. */
function dateOf(value: unknown): string | null {
  const [, day, time = '00:00:00', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?$/.exec(String(value)) ?? []
  const at = new Date(`${day}T${time}${zone}`)
  return day === undefined || Number.isNaN(at.getTime()) ? null : writtenDate(at.getTime() / 1000)
}

/** A time in Unix seconds as advisories have it. */
export function writtenDate(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
}

/**
 * One list out of several about the same package, the most trusted first. What two of them know under the same id, the
 * same CVE or the same id of a third party is one advisory: the first one says which versions are affected, and the
 * later ones add what it does not know. Entries of one list are never taken for one another.
 */
export function mergeAdvisories(lists: readonly (readonly Advisory[])[]): Advisory[] {
  const merged: Advisory[] = []
  const places = new Map<string, number>()
  for (const list of lists) {
    const known = new Map(places)
    for (const advisory of list) {
      const keys = keysOf(advisory)
      const place = keys.map((key) => known.get(key)).find((found) => found !== undefined)
      const before = place === undefined ? undefined : merged[place]
      if (place !== undefined && before !== undefined) merged[place] = joined(before, advisory)
      else merged.push(advisory)
      for (const key of keys) if (!places.has(key)) places.set(key, place ?? merged.length - 1)
    }
  }
  return merged
}

function keysOf({ advisoryId, details }: Advisory): string[] {
  const sources = (details?.sources ?? []).filter(({ name }) => name !== 'unknown')
  return [
    `id ${advisoryId}`,
    ...(details?.cve ? [`cve ${details.cve}`] : []),
    ...sources.map(({ name, remoteId }) => `source ${name} ${remoteId}`.toLowerCase()),
  ]
}

function joined(first: Advisory, second: Advisory): Advisory {
  if (first.details === null || second.details === null) {
    return { ...first, details: first.details ?? second.details }
  }
  const [mine, theirs] = [first.details, second.details]
  const all = [...mine.sources, ...theirs.sources]
  const sources = all.filter(
    ({ name, remoteId }, index) =>
      all.findIndex((other) => other.name === name && other.remoteId === remoteId) === index,
  )
  return {
    ...first,
    details: {
      ...mine,
      sources: sources.slice(0, MOST_SOURCES),
      cve: mine.cve ?? theirs.cve,
      link: mine.link ?? theirs.link,
      severity: mine.severity ?? theirs.severity,
      composerRepository: mine.composerRepository ?? theirs.composerRepository,
    },
  }
}

/** The same with all that a client wants to be told when it asks; `source` says who knows of it. */
export function completeAdvisory(advisory: Advisory, source: string): Advisory {
  if (advisory.details !== null) return advisory
  const nothing = { cve: null, link: null, severity: null, composerRepository: null }
  const sources = [{ name: source, remoteId: advisory.advisoryId }]
  const title = `Advisory ${advisory.advisoryId}`
  return { ...advisory, details: { ...nothing, title, sources, reportedAt: UNKNOWN_DATE } }
}

/** An advisory as clients read it, with the fields of Packagist. `packageName` is the lower-case full name. */
export function servedAdvisory(packageName: string, { advisoryId, affectedVersions, details }: Advisory) {
  if (details === null) return { advisoryId, packageName, affectedVersions }
  const { title, sources, reportedAt, cve, link, severity, composerRepository } = details
  return {
    advisoryId,
    packageName,
    remoteId: sources[0]?.remoteId ?? advisoryId,
    title,
    link,
    cve,
    affectedVersions,
    source: sources[0]?.name ?? 'unknown',
    sources,
    reportedAt,
    composerRepository,
    severity,
  }
}
