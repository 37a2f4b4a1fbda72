import type { RawFields } from '../composer/json.ts'
import type { BoundCredentials } from '../sources/upstream-http.ts'

/** Another Composer repository that packages are taken from, as its repository row and its settings say. Durations in seconds. */
export interface Upstream {
  /** Id of its repository. */
  readonly id: string
  /** Address as it was added, without a slash at the end. */
  readonly url: string
  /** Bound to the origin of `url`; sent nowhere else. */
  readonly credentials: BoundCredentials | null
  /** The highest is asked first; of equals, the one that was added first. */
  readonly priority: number
  /** Names it may be asked for; empty for all. */
  readonly allow: readonly string[]
  /** Names it is never asked for. */
  readonly deny: readonly string[]
  readonly freshFor: number
  readonly staleIfError: number
  readonly minimumReleaseAge: number
  readonly releaseAgeExceptions: readonly string[]
  readonly releaseAgePassesFixes: boolean
  readonly exposeSource: boolean
  /** Rises with every change of these settings. */
  readonly revision: number
}

/** What tells an upstream which copy is known here; texts as it sent them. */
export interface Validators {
  readonly etag: string | null
  readonly lastModified: string | null
}

/** What an upstream says when it is asked for the document of a package. */
export type DocumentAnswer =
  | { readonly kind: 'unchanged' }
  /** It has no such package. */
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'found'; readonly document: UpstreamDocument } & Validators)

/** A document of one package: its tags, or its branches. Texts are JSON as the upstream wrote it, without blanks. */
export interface UpstreamDocument {
  /** In the order of the upstream; with `minified`, each but the first only says what differs from the one before. */
  readonly versions: readonly RawFields[]
  readonly minified: boolean
  /** The list `security-advisories`; null when the upstream says nothing of it. */
  readonly advisories: string | null
  /** The object `filter`, by list; null when the upstream says nothing of it. */
  readonly filter: string | null
}

/** A document of one package as it is known here. */
export interface MirroredDocument extends UpstreamDocument {
  readonly upstream: Upstream
  /** Lower-case full name. */
  readonly name: string
  readonly dev: boolean
  /** Another one whenever anything in the document is another. */
  readonly digest: string
  /** Unix seconds, strictly rising. */
  readonly modifiedAt: number
  /** Identity of each version to the second it was first seen, Unix seconds. */
  readonly firstSeen: Readonly<Record<string, number>>
}

/** Metadata of packages that are not owned here. */
export interface Mirror {
  /**
   * The document of the first upstream that has the package, or null when none has it. Known documents are answered at
   * once while they are fresh, and while their upstream fails. Never asks for a name that is owned or reserved here:
   * that is decided before. Throws AppError('upstream') when an upstream that comes first cannot be asked and nothing
   * is known of the name there: silence is not absence.
   */
  document(name: string, dev: boolean): MirroredDocument | null | Promise<MirroredDocument | null>
}

/** The same with what needs no waiting. */
export interface ReadyMirror extends Mirror {
  /** The document when it is in memory and fresh, of the upstream that is asked first; else null, which tells nothing. */
  known(name: string, dev: boolean): MirroredDocument | null
}
