import { NO_MANIFEST } from '../composer/commit-reader.ts'
import type { SyncOutcome } from '../store/sync-state.ts'

/** What keeps a tag or branch from being a version. */
interface Issue {
  readonly ref: string
  readonly reason: string
}

/**
 * What is shown of a repository that was read and offers no version: the reason itself where all tags and branches have
 * the same one, else that of the default branch.
 */
export function noPackages(
  issues: readonly Issue[],
  defaultBranch: string | null,
): NonNullable<SyncOutcome['problem']> {
  return { code: 'no_packages', message: sentence(issues, defaultBranch) }
}

function sentence(issues: readonly Issue[], defaultBranch: string | null): string {
  const main = issues.find(({ ref }) => ref === `refs/heads/${defaultBranch}`) ?? issues[0]
  if (main === undefined) return 'It has no packages: it is empty, without a tag or branch.'
  const advice =
    main.reason === NO_MANIFEST ? ' If it lies in another directory, composer_json_paths names that one.' : ''
  if (issues.every(({ reason }) => reason === main.reason)) {
    const what = issues.length === 1 ? main.ref : `none of its ${issues.length} tags and branches is a version`
    return `It has no packages: ${what}: ${main.reason}${advice}`
  }
  return `It has no packages: ${main.ref}: ${main.reason}${advice} See the issues of the other tags and branches.`
}
