import { type Constraint, matchesConstraint, parseConstraint } from '../composer/constraint.ts'
import { matchesAny } from '../composer/name-pattern.ts'
import { compareVersions } from '../composer/version-compare.ts'
import { completeVersions } from './complete-document.ts'
import type { MirroredDocument } from './upstream.ts'
import type { VersionFacts } from './version-facts.ts'

/** Which versions of a document are too young to be shown. Times are Unix seconds. */
export interface ReleaseAge {
  /** Identities of the versions that are withheld. */
  readonly withheld: ReadonlySet<string>
  /** When the next of them is old enough; infinite when none is withheld. */
  readonly until: number
  /** When the last one became old enough; 0 when none ever had to wait. */
  readonly since: number
}

const NOTHING: ReleaseAge = { withheld: new Set(), until: Number.POSITIVE_INFINITY, since: 0 }

/**
 * The versions of a document that were not seen for long enough: by its upstream's registry or here, never by the date
 * that its author wrote. `now` in Unix seconds.
 */
export function releaseAge(document: MirroredDocument, now: number): ReleaseAge {
  const { minimumReleaseAge, releaseAgeExceptions, releaseAgePassesFixes } = document.upstream
  if (minimumReleaseAge === 0 || matchesAny(releaseAgeExceptions, document.name)) return NOTHING
  const versions = completeVersions(document).map(({ facts }) => facts)
  const readyAt = (facts: VersionFacts) => (document.firstSeen[facts.identity] ?? now) + minimumReleaseAge
  const young = versions.filter((facts) => readyAt(facts) > now)
  const old = versions.filter((facts) => readyAt(facts) <= now)
  const passing = releaseAgePassesFixes ? fixes(document, young, old) : new Set<VersionFacts>()
  const waiting = young.filter((facts) => !passing.has(facts))
  return {
    withheld: new Set(waiting.map(({ identity }) => identity)),
    until: young.reduce((first, facts) => Math.min(first, readyAt(facts)), Number.POSITIVE_INFINITY),
    since: old.reduce((last, facts) => Math.max(last, readyAt(facts)), 0),
  }
}

/** Young versions that no advisory is about, while the newest old one before them is affected by one. */
function fixes(
  document: MirroredDocument,
  young: readonly VersionFacts[],
  old: readonly VersionFacts[],
): Set<VersionFacts> {
  const ranges = affectedRanges(document.advisories)
  const affected = ({ versionNormalized }: VersionFacts) =>
    ranges.some((range) => matchesConstraint(range, versionNormalized))
  return new Set(
    ranges.length === 0
      ? []
      : young.filter((facts) => !affected(facts) && isAffected(newestBefore(old, facts), affected)),
  )
}

function isAffected(facts: VersionFacts | null, affected: (facts: VersionFacts) => boolean): boolean {
  return facts !== null && affected(facts)
}

function newestBefore(versions: readonly VersionFacts[], facts: VersionFacts): VersionFacts | null {
  return versions.reduce<VersionFacts | null>((newest, other) => {
    if (compareVersions(other.versionNormalized, facts.versionNormalized) >= 0) return newest
    return newest === null || compareVersions(other.versionNormalized, newest.versionNormalized) > 0 ? other : newest
  }, null)
}

/** The ranges that advisories name; one that cannot be read lets nothing pass. */
function affectedRanges(advisories: string | null): Constraint[] {
  const list: unknown = advisories === null ? [] : JSON.parse(advisories)
  return (Array.isArray(list) ? list : []).flatMap((entry: unknown) => {
    const { affectedVersions } = (entry ?? {}) as { affectedVersions?: unknown }
    try {
      return typeof affectedVersions === 'string' ? [parseConstraint(affectedVersions)] : []
    } catch {
      return []
    }
  })
}
