import { AppError } from '../errors.ts'
import { asObject } from './json.ts'
import { lowerAscii } from './php-text.ts'
import { normalizeBranch, numericAliasPrefix } from './version-parser.ts'

/** What the default branch is also known as, when its name says nothing about its version. */
export const DEFAULT_BRANCH_ALIAS = '9999999-dev'

/** A version as far as its alias depends on it. */
export interface AliasedVersion {
  /** Pretty form: `dev-main`, `2.x-dev`. */
  version: string
  defaultBranch: boolean
  /** The value of the manifest's `extra`. */
  extra: unknown
}

/**
 * The normalized version that clients see beside a branch's own, from `extra.branch-alias`; null when there is none.
 * Throws `AppError('invalid')` where clients abort. Composer: `ArrayLoader::getBranchAlias`.
 */
export function branchAlias({ version, defaultBranch, extra }: AliasedVersion): string | null {
  if (!version.startsWith('dev-') && !version.endsWith('-dev')) return null
  const aliases = asObject(extra)?.['branch-alias']
  const entries = typeof aliases === 'object' && aliases !== null ? Object.entries(aliases) : []
  for (const [source, target] of entries) {
    if (typeof target !== 'string') throw new AppError('invalid', 'extra.branch-alias must be an object of strings')
    const normalized = aliasOf(version, source, target)
    if (normalized !== null) return normalized
  }
  const isNumeric = numericAliasPrefix(version.replace(/^v/, '')) !== null
  return defaultBranch && !isNumeric ? DEFAULT_BRANCH_ALIAS : null
}

function aliasOf(version: string, source: string, target: string): string | null {
  if (!target.endsWith('-dev') || lowerAscii(version) !== lowerAscii(source)) return null
  const normalized = target === DEFAULT_BRANCH_ALIAS ? target : normalizeBranch(target.slice(0, -4))
  if (!normalized.endsWith('-dev')) return null
  const sourcePrefix = numericAliasPrefix(source)
  const targetPrefix = numericAliasPrefix(target)
  return sourcePrefix !== null && targetPrefix !== null && !targetPrefix.startsWith(sourcePrefix) ? null : normalized
}
