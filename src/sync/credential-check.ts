import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { hostFailure, hostFailureReason } from '../sources/hosts/failure.ts'
import type { Host } from '../sources/hosts/host.ts'
import type { DiscoveryRow } from '../store/discoveries.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { OpenDiscoveryHost } from './discovery-host.ts'
import type { OpenRepositoryHost } from './repository-host.ts'

/** How long a host may take, in milliseconds: somebody waits for the answer. */
const PATIENCE = 5_000

/** What a host says of the credential itself, and would say again. */
const REFUSALS: ReadonlySet<string | null> = new Set(['auth', 'scope', 'permission', 'sso'])

/** Asks the host of a repository that is about to be stored whether its credential lets in. */
export type CheckCredential = (row: RepositoryRow) => Promise<void>

/** Asks the host of a discovery that is about to be stored whether its credential lets in. */
export type CheckOwnerCredential = (row: DiscoveryRow) => Promise<void>

/** `patience` in milliseconds. */
interface CheckOptions {
  readonly logger: Logger
  readonly patience?: number
}

/**
 * The function that does so. It throws AppError('invalid') with the permission that is needed when the host refuses the
 * credential. A host that cannot be asked now is no reason to refuse it, nor is a repository that it does not know: the
 * sync will tell. Plain git, ssh keys, and tokens for git only are not asked about.
 */
export function credentialCheck(openHost: OpenRepositoryHost, options: CheckOptions): CheckCredential {
  return async (row) => {
    const opened = openHost(row)
    if (opened === null || !opened.known) return
    const { host, address } = opened
    await checked(host, (signal) => host.facts({ path: address.path, id: null }, signal), { ...options, of: row.id })
  }
}

/** The same for owners: what one may not list, one may not discover. */
export function ownerCredentialCheck(openHost: OpenDiscoveryHost, options: CheckOptions): CheckOwnerCredential {
  return async (row) => {
    if (row.credentials === null) return
    const { host, owner } = openHost(row)
    await checked(host, (signal) => host.probeOwner(owner, null, signal), { ...options, of: row.id })
  }
}

/** `of` is the id of what it is for. */
async function checked(
  host: Host,
  ask: (signal: AbortSignal) => Promise<unknown>,
  { of, logger, patience = PATIENCE }: CheckOptions & { readonly of: string },
): Promise<void> {
  const signal = AbortSignal.timeout(patience)
  try {
    await ask(signal).catch((error: unknown) => orHidden(host, error, signal))
  } catch (error) {
    if (!isAppError(error, 'upstream') && !signal.aborted) throw error
    if (REFUSALS.has(hostFailureReason(error))) throw refused(messageOf(error))
    logger.info('a credential could not be checked', { of, error: messageOf(error) })
  }
}

/** Hosts hide what a credential must not see; of the credential itself they tell. */
async function orHidden(host: Host, error: unknown, signal: AbortSignal): Promise<void> {
  if (hostFailureReason(error) !== 'missing') throw error
  const { missing } = await host.checkCredential(signal)
  if (missing !== null) throw hostFailure('scope', missing)
}

function refused(sentence: string): AppError {
  return new AppError('invalid', sentence, { details: { fields: { auth_credentials: sentence } } })
}
