import { COMPOSER, upstreamAddress } from '../../mirror/upstream-address.ts'
import type { CredentialType } from '../../sources/credentials.ts'
import { isHostType } from '../../sources/hosts/host-credential.ts'
import { hostAddress } from '../../sources/hosts/open-host.ts'
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
  if (vcsType === COMPOSER) return upstreamAddress(url)
  const checked = checkSourceUrl(url, credentialType, localRoots)
  // A host is asked by its API as well, which needs an owner and a name.
  if (isHostType(vcsType)) hostAddress(vcsType, url)
  return checked
}
