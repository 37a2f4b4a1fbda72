import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { hostFailure, hostFailureReason } from '../sources/hosts/failure.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { OpenRepositoryHost, RepositoryHost } from './repository-host.ts'

/** How long a host may take, in milliseconds: somebody waits for the answer. */
const PATIENCE = 5_000

/** What a host says of the credential itself, and would say again. */
const REFUSALS: ReadonlySet<string | null> = new Set(['auth', 'scope', 'permission', 'sso'])

/** Asks the host of a repository that is about to be stored whether its credential lets in. */
export type CheckCredential = (row: RepositoryRow) => Promise<void>

/**
 * The function that does so. It throws AppError('invalid') with the permission that is needed when the host refuses the
 * credential. A host that cannot be asked now is no reason to refuse it, nor is a repository that it does not know: the
 * sync will tell. Plain git, ssh keys, and tokens for git only are not asked about.
 */
export function credentialCheck(
  openHost: OpenRepositoryHost,
  options: { readonly logger: Logger; readonly patience?: number },
): CheckCredential {
  return async (row) => {
    const opened = openHost(row)
    if (opened === null || !opened.known) return
    const signal = AbortSignal.timeout(options.patience ?? PATIENCE)
    try {
      await ask(opened, signal)
    } catch (error) {
      if (!isAppError(error, 'upstream') && !signal.aborted) throw error
      if (REFUSALS.has(hostFailureReason(error))) throw refused(messageOf(error))
      options.logger.info('a credential could not be checked', { repository: row.id, error: messageOf(error) })
    }
  }
}

async function ask({ host, address }: RepositoryHost, signal: AbortSignal): Promise<void> {
  try {
    await host.facts({ path: address.path, id: null }, signal)
  } catch (error) {
    if (hostFailureReason(error) !== 'missing') throw error
    // Hosts hide what a credential must not see; of the credential itself they tell.
    const { missing } = await host.checkCredential(signal)
    if (missing !== null) throw hostFailure('scope', missing)
  }
}

function refused(sentence: string): AppError {
  return new AppError('invalid', sentence, { details: { fields: { auth_credentials: sentence } } })
}
