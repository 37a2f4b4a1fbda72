import type { DocumentPlace, KeptDocument, RetiredDist } from '../store/upstream-documents.ts'
import { completeVersions } from './complete-document.ts'
import { distId } from './dist-address.ts'
import { digestOf, documentText } from './document-text.ts'
import { readKeptDocument } from './package-document.ts'
import { releaseAge } from './release-age.ts'
import type { DocumentAnswer, MirroredDocument, Upstream, Validators } from './upstream.ts'

/** What is known of a document of a package at an upstream. Times are Unix seconds. */
export interface HeldDocument {
  readonly upstream: Upstream
  readonly place: DocumentPlace
  /** Null when the upstream has no such package. */
  readonly document: MirroredDocument | null
  readonly text: string | null
  readonly validators: Validators
  readonly fetchedAt: number
  /** When the upstream last said that this is what it has. */
  readonly checkedAt: number
  /** When the upstream first denied a package it had offered; null while it offers it. */
  readonly missingSince: number | null
  /** True when the database has it. */
  readonly kept: boolean
}

const NO_VALIDATORS: Validators = { etag: null, lastModified: null }
/** How long a package that was there must be denied before it is believed to be gone, in seconds. */
const GONE_AFTER = 600

/** What was kept of a document. */
export function heldAgain(upstream: Upstream, kept: KeptDocument): HeldDocument {
  const { repositoryId, name, dev, text, digest, etag, lastModified, firstSeen, modifiedAt, ...rest } = kept
  const read = text === null ? null : readKeptDocument(text, name)
  return {
    ...rest,
    upstream,
    place: { repositoryId, name, dev },
    document: read && { ...read, upstream, name, dev, digest, modifiedAt, firstSeen },
    text,
    validators: { etag, lastModified },
    kept: true,
  }
}

/**
 * The same with a later date than `shown`, the last one that was told of it (Unix seconds; 0 for none): what is read anew
 * is shown by other settings. Those date what is in the database, but this may not have been there yet.
 */
export function redated(held: HeldDocument, shown: number, now: number): HeldDocument {
  const { document } = held
  if (!document || shown === 0 || document.modifiedAt > shown) return held
  return { ...held, document: { ...document, modifiedAt: Math.max(now, shown + 1) } }
}

/** What is to be kept of it. */
export function keptForm({ place, document, text, validators, ...times }: HeldDocument): KeptDocument {
  const { fetchedAt, checkedAt, missingSince } = times
  return {
    ...place,
    ...validators,
    ...{ fetchedAt, checkedAt, missingSince, text },
    digest: document?.digest ?? '',
    firstSeen: document?.firstSeen ?? {},
    modifiedAt: document?.modifiedAt ?? fetchedAt,
  }
}

/** What is known once the upstream has answered `now`; `before` is what was known, if anything. */
export function heldAfter(
  upstream: Upstream,
  place: DocumentPlace,
  before: HeldDocument | null,
  answer: DocumentAnswer,
  now: number,
): HeldDocument {
  if (answer.kind === 'unchanged' && before) return { ...before, upstream, checkedAt: now, missingSince: null }
  if (answer.kind === 'found') return rewritten(upstream, place, before, answer, now)
  const missingSince = before?.missingSince ?? now
  // One denial may be a mistake of a cache on the way; a lock file that is made meanwhile would lose the package.
  if (before?.document && now - missingSince < GONE_AFTER) return { ...before, upstream, checkedAt: now, missingSince }
  const nothing = { document: null, text: null, validators: NO_VALIDATORS, missingSince: null, kept: false }
  return { upstream, place, ...nothing, fetchedAt: now, checkedAt: now }
}

/** Archives that were named before and are not any more. */
export function retiredBy(before: HeldDocument | null, after: HeldDocument, now: number): RetiredDist[] {
  if (!before?.document || before.document.digest === after.document?.digest) return []
  const still = new Set(completeVersions(after.document ?? EMPTY).map(({ facts }) => facts.dist && distId(facts.dist)))
  return completeVersions(before.document).flatMap(({ fields, facts }) => {
    const { dist, version, versionNormalized, releasedAt } = facts
    const content = fields.get('dist')
    if (dist === null || content === undefined || still.has(distId(dist))) return []
    const known = { version, versionNormalized, releasedAt: releasedAt ?? before.fetchedAt, retiredAt: now }
    return [{ dist: distId(dist), content, ...known }]
  })
}

const EMPTY = { versions: [], minified: false, advisories: null, filter: null }

function rewritten(
  upstream: Upstream,
  place: DocumentPlace,
  before: HeldDocument | null,
  answer: Extract<DocumentAnswer, { kind: 'found' }>,
  now: number,
): HeldDocument {
  const { document: read, etag, lastModified } = answer
  const { name, dev } = place
  const text = documentText(name, read)
  const digest = digestOf(text)
  const same = before?.document?.digest === digest ? before.document : null
  const document = same ?? {
    ...read,
    ...{ upstream, name, dev, digest, modifiedAt: modifiedAfter(before?.document ?? null, now) },
    firstSeen: {},
  }
  return {
    ...{ upstream, place, text, validators: { etag, lastModified }, fetchedAt: now, checkedAt: now },
    document: same ?? { ...document, firstSeen: firstSeenIn(document, before, lastModified, now) },
    missingSince: null,
    kept: same !== null && before?.kept === true,
  }
}

/** Later than any date that was told before: also than that of a version which became old enough meanwhile. */
function modifiedAfter(before: MirroredDocument | null, now: number): number {
  if (before === null) return now
  return Math.max(now, before.modifiedAt + 1, releaseAge(before, now).since + 1)
}

/**
 * When each version was first seen: here, or by its registry, whose word is its own date of publication and that of the
 * document. What was seen before keeps its time.
 */
function firstSeenIn(
  document: MirroredDocument,
  before: HeldDocument | null,
  lastModified: string | null,
  now: number,
): Record<string, number> {
  const known = before?.document?.firstSeen ?? {}
  const dated = lastModified === null ? Number.NaN : Math.floor(Date.parse(lastModified) / 1_000)
  const seen = new Map<string, number>()
  for (const { facts } of completeVersions(document)) {
    const times = [now, dated, facts.publishedAt ?? now].filter((time) => !Number.isNaN(time))
    seen.set(facts.identity, (Object.hasOwn(known, facts.identity) && known[facts.identity]) || Math.min(...times))
  }
  return Object.fromEntries(seen)
}
