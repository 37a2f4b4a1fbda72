import { asObject } from '../composer/json.ts'
import { protocolError } from './response-body.ts'
import { readJson } from './upstream-json.ts'

/** What the log of changes of an upstream says (Packagist: `/metadata/changes.json`). */
export interface ChangeLog {
  /** Where the next reading begins, in 1/10,000 seconds. */
  readonly timestamp: number
  readonly actions: readonly ChangeAction[]
}

/** One line of it. `resync`: more was changed than the log tells. */
export interface ChangeAction {
  readonly type: 'update' | 'delete' | 'resync'
  /** Lower-case name, of the document of branches with `~dev` behind it. */
  readonly package: string
  /** Unix seconds; `Last-Modified` of the document is not before it. */
  readonly time: number
}

/** Largest log that is read, in bytes; beyond 100,000 actions Packagist sends `resync` instead. */
export const MAX_LOG_BYTES = 16 * 1_048_576

/** The address of the log since a place in it, or of its end for null: to a question without a place it says where that is. */
export function changesUrl(url: string, since: number | null): string {
  const address = new URL(url)
  if (since !== null) address.searchParams.set('since', String(since))
  return address.href
}

/** Reads an answer of the log. Throws AppError('upstream') for what is none. */
export function readChangeLog(url: string, bytes: Uint8Array): ChangeLog {
  const answer = asObject(readJson(url, bytes, parsed))
  const timestamp = answer?.timestamp
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw protocolError(`The log of changes of ${new URL(url).host} does not say up to where it was read.`)
  }
  // A place that the log does not know is refused.
  if (typeof answer?.error === 'string') return { timestamp, actions: [{ type: 'resync', package: '*', time: 0 }] }
  const actions = Array.isArray(answer?.actions) ? answer.actions : []
  return { timestamp, actions: actions.flatMap((action) => readAction(action) ?? []) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw protocolError('The log of changes is no JSON.', cause)
  }
}

function readAction(value: unknown): ChangeAction | null {
  const { type, package: name, time } = asObject(value) ?? {}
  if (type !== 'update' && type !== 'delete' && type !== 'resync') return null
  if (typeof name !== 'string' || typeof time !== 'number') return null
  return { type, package: name.toLowerCase(), time }
}
