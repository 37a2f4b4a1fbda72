import { COMPOSER, upstreamAddress } from '../../mirror/upstream-address.ts'
import type { CredentialType } from '../../sources/credentials.ts'
import { checkSourceUrl } from '../../sources/open.ts'

/**
 * The address of a repository as it is stored, and the text that is equal for every spelling of it.
 * Throws AppError('invalid') with `details.fields` for one that cannot be used, or not with this kind of credential.
 */
export function checkedAddress(
  url: string,
  vcsType: string,
  credentialType: CredentialType,
  localRoots: readonly string[],
): { url: string; urlKey: string } {
  return vcsType === COMPOSER ? upstreamAddress(url) : checkSourceUrl(url, credentialType, localRoots)
}
