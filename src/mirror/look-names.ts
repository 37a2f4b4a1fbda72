import { createHash } from 'node:crypto'
import { isAppError } from '../errors.ts'
import type { Logger } from '../observability/logger.ts'
import type { UpstreamNameTable } from '../store/upstream-names.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamReader } from './upstream-reader.ts'

/** What it takes to see which names an upstream has. */
export interface NameParts {
  readonly upstreamNames: UpstreamNameTable
  readonly reader: Pick<UpstreamReader, 'listed' | 'offered'>
  readonly claimedVendors: () => readonly string[]
  readonly logger: Logger
}

/** Names that came and went. */
export interface NamesSeen {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

const NOTHING: NamesSeen = { added: [], removed: [] }

/**
 * Stores which names an upstream has: all of them if it says so. Else those of vendors that are claimed here, out of its
 * whole list, so that conflicts with owned names are known without ever asking for one.
 */
export async function lookAtNames(parts: NameParts, upstream: Upstream, signal: AbortSignal): Promise<NamesSeen> {
  const offered = await parts.reader.offered(signal)
  const names = offered?.names ?? (await listedNames(parts, signal))
  if (names === null) return NOTHING
  const patterns = offered?.patterns ?? null
  const found = { names: [...new Set(names)].sort(), patterns }
  const digest = createHash('sha256').update(JSON.stringify(found)).digest('hex')
  if ((await parts.upstreamNames.digest(upstream.id)) === digest) return NOTHING
  const seen = await parts.upstreamNames.save(upstream, { ...found, digest })
  return patterns === null ? NOTHING : seen
}

/** Null when the list cannot be read: without it everything else works. */
async function listedNames(parts: NameParts, signal: AbortSignal): Promise<readonly string[] | null> {
  try {
    return await parts.reader.listed(new Set(parts.claimedVendors()), signal)
  } catch (error) {
    if (!isAppError(error, 'upstream') || signal.aborted) throw error
    parts.logger.warn('the list of names of an upstream cannot be read', { error: error.message })
    return null
  }
}
