import type { SecretBox } from '../auth/secret-box.ts'
import { isAppError } from '../errors.ts'
import { hostPlace } from '../sources/host-place.ts'
import { credentialsPlace, type RepositoryRow } from '../store/repositories.ts'

/** What a job speaks to: what bounds on jobs at once, and rate limits, are counted by. */
export interface JobPlace {
  /** `host:port`; empty for what is on this machine. */
  readonly host: string
  /** Equal for jobs that use the same credential at the same host; empty for none. Tells nothing of the credential. */
  readonly credential: string
}

/** What is read of a repository, or of anything else that has an address and a sealed credential. */
type Addressed = Pick<RepositoryRow, 'id' | 'url' | 'credentials'>

/** Finds what the job of a repository speaks to. */
export type FindPlace = (row: Addressed) => JobPlace

/** The place of each repository, its credential told by a fingerprint. */
export function placeFinder(secretBox: SecretBox): FindPlace {
  return ({ id, url, credentials }) => {
    const host = hostPlace(url)
    return { host, credential: credentialMark(secretBox, host, credentials, credentialsPlace(id)) }
  }
}

/** `JobPlace.credential` of a credential that is sealed to `place`; null is none. */
export function credentialMark(secretBox: SecretBox, host: string, sealed: string | null, place: string): string {
  if (sealed === null) return ''
  try {
    return secretBox.fingerprint(`${host} ${secretBox.open(sealed, place)}`)
  } catch (error) {
    // The job itself will say that its credential cannot be opened, to whoever looks at the repository.
    if (isAppError(error, 'unavailable')) return ''
    throw error
  }
}
