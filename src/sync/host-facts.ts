import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import { withoutControls } from '../printable.ts'
import { hostFailure } from '../sources/hosts/failure.ts'
import type { RepositoryFacts } from '../sources/hosts/host.ts'
import { type HostType, isHostType } from '../sources/hosts/host-credential.ts'
import { movedAddress } from '../sources/hosts/moved-address.ts'
import type { HostRepositoryRow, HostRepositoryTable, KnownByHost } from '../store/host-repositories.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import type { OpenRepositoryHost, RepositoryHost } from './repository-host.ts'

/** Seconds from an answer to the next question, and from a failure that may pass; up to 15 % more, by chance. */
const DAY = 86_400
const HOUR = 3_600

/** How long a host may take, in milliseconds: the sync waits for it. */
const PATIENCE = 15_000

/** What a host means for this repository and this credential, and would say again. */
const DEFINITE: ReadonlySet<string> = new Set(['auth', 'scope', 'permission', 'sso', 'missing', 'refused'])

/** Failures of git that its host may know more about. */
const EXPLAINED: ReadonlySet<unknown> = new Set(['auth', 'missing', 'refused'])

/** What a token that the API accepts lacks for git. */
const GIT_NEEDS: Readonly<Record<HostType, string>> = {
  github: '“Contents: read”, or the scope “repo”',
  gitlab: 'the scope “read_repository” and the role Reporter',
  bitbucket: 'the permission to read repositories (“read:repository:bitbucket”)',
  gitea: 'the scope “read:repository”',
}

/** A repository as its host knows it. */
export interface HostedRepository {
  /** With the address that it has now. */
  readonly row: RepositoryRow
  readonly archived: boolean
  /** Whether the host was asked for this. */
  readonly asked: boolean
  /** Why it gave no answer then. */
  readonly failure: AppError | null
}

/** What asking hosts takes. `now` gives Unix seconds. */
export interface HostFactsParts {
  readonly openHost: OpenRepositoryHost
  readonly hostRepositories: HostRepositoryTable
  readonly now: () => number
  readonly logger: Logger
}

/** Asks the hosts of repositories what git does not say, at most once a day each. */
export class HostFacts {
  constructor(private readonly parts: HostFactsParts) {}

  /** What is known now, asked for when it is due. A host that gives no answer fails nothing; that is noted. */
  async current(row: RepositoryRow, signal: AbortSignal): Promise<HostedRepository> {
    const opened = this.open(row)
    if (opened === null) return { row, archived: false, asked: false, failure: null }
    const known = await this.parts.hostRepositories.find(row.id)
    if (known.check !== null && known.check.nextAskAt > this.parts.now()) {
      return { row, archived: known.facts?.archived ?? false, asked: false, failure: null }
    }
    return this.ask(row, opened, known, signal)
  }

  /**
   * What to do about a sync that failed: resolves to the repository at its new address when it has moved, else throws
   * the failure as the host explains it, with the permission that is needed, or as it was when the host cannot.
   */
  async explain(hosted: HostedRepository, error: unknown, signal: AbortSignal): Promise<HostedRepository> {
    const { row } = hosted
    const opened = isAppError(error, 'upstream') && EXPLAINED.has(error.details.reason) ? this.open(row) : null
    if (opened === null || !opened.known || !isHostType(row.vcsType)) throw error
    const known = await this.parts.hostRepositories.find(row.id)
    const asked = hosted.asked ? hosted : await this.ask(row, opened, known, signal)
    if (asked.row.url !== row.url) return asked
    if (asked.failure !== null && isDefinite(asked.failure)) {
      throw new AppError('upstream', asked.failure.message, { details: asked.failure.details, cause: error })
    }
    if (asked.failure !== null || (error as AppError).details.reason === 'refused') throw error
    const sentence = `The host shows ${opened.address.path} to this credential, and git does not: it needs ${GIT_NEEDS[row.vcsType]}.`
    throw hostFailure('scope', sentence, { cause: error })
  }

  /** Null also for an address or a credential that no host is opened with: git says what is wrong with them. */
  private open(row: RepositoryRow): RepositoryHost | null {
    try {
      return this.parts.openHost(row)
    } catch (error) {
      if (isAppError(error, 'invalid')) return null
      throw error
    }
  }

  private async ask(
    row: RepositoryRow,
    opened: RepositoryHost,
    known: KnownByHost,
    signal: AbortSignal,
  ): Promise<HostedRepository> {
    const archived = known.facts?.archived ?? false
    try {
      const facts = await this.factsOf(opened, known, signal)
      return { row: await this.noteAnswer(row, facts), archived: facts.archived, asked: true, failure: null }
    } catch (error) {
      if (!isAppError(error, 'upstream')) throw error
      // To a stranger a host says nothing of private repositories, and that is no problem.
      await this.noteProblem(row, opened.known || !isDefinite(error) ? error : null)
      return { row, archived, asked: true, failure: error }
    }
  }

  private async factsOf({ host, address }: RepositoryHost, known: KnownByHost, signal: AbortSignal) {
    const late = AbortSignal.timeout(PATIENCE)
    try {
      return await host.facts({ path: address.path, id: known.facts?.hostId ?? null }, AbortSignal.any([signal, late]))
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error
      throw hostFailure(
        'unreachable',
        `${new URL(address.apiBase).host} did not answer within ${PATIENCE / 1000} seconds.`,
      )
    }
  }

  /** Stores an answer. Resolves to the repository at the address that it has now. */
  private async noteAnswer(row: RepositoryRow, facts: RepositoryFacts): Promise<RepositoryRow> {
    const { hostRepositories, now, logger } = this.parts
    const address = isHostType(row.vcsType) ? movedAddress(row.vcsType, row.url, facts.path) : null
    const answer = { row, facts: storedFacts(row.id, facts, now()), nextAskAt: now() + spread(DAY) }
    try {
      const after = (await hostRepositories.noteAnswer({ ...answer, address })) ?? row
      if (after.url !== row.url) logger.info('repository moved', { repository: row.id, from: row.url, to: after.url })
      return after
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error
      await hostRepositories.noteAnswer({ ...answer, address: null })
      await this.noteProblem(row, error)
      return row
    }
  }

  private async noteProblem(row: RepositoryRow, problem: AppError | null): Promise<void> {
    const { hostRepositories, now, logger } = this.parts
    const passing = problem !== null && problem.kind === 'upstream' && !isDefinite(problem)
    const retryAfter = Math.min(Number(problem?.details.retry_after ?? 0), DAY)
    await hostRepositories.noteProblem({
      repositoryId: row.id,
      askedAt: now(),
      nextAskAt: now() + (passing ? Math.max(spread(HOUR), retryAfter) : spread(DAY)),
      problemCode: problem === null ? null : String(problem.details.reason ?? problem.kind),
      problemMessage: problem?.message ?? null,
    })
    if (problem !== null)
      logger.warn('the host of a repository gave no answer', { repository: row.id, error: messageOf(problem) })
  }
}

function isDefinite(error: AppError): boolean {
  return DEFINITE.has(String(error.details.reason))
}

/** So that repositories added together are not asked about together. */
function spread(seconds: number): number {
  return Math.round(seconds * (1 + 0.15 * Math.random()))
}

function storedFacts(repositoryId: string, facts: RepositoryFacts, checkedAt: number): HostRepositoryRow {
  const { id: hostId, path, cloneUrl, defaultBranch, archived, visibility, description, webUrl, issuesUrl } = facts
  return {
    ...{ repositoryId, hostId, path, cloneUrl, defaultBranch, archived, visibility },
    ...{ description: description === null ? null : withoutControls(description).trim(), webUrl, issuesUrl, checkedAt },
  }
}
