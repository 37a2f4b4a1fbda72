import { readFileSync } from 'node:fs'
import { AppError } from '../errors.ts'
import { EXIT, print, UsageError } from './command.ts'
import type { RepositoryView } from './sync-progress.ts'

/** Prints a repository; the exit code says whether it can be read. */
export function report(view: RepositoryView, json: boolean): number {
  print(json, view, () => [
    `${view.id}  ${view.status}  ${view.packages} packages, ${view.versions} versions  ${view.url}`,
    ...hostLines(view),
    ...view.issues.map((issue) => `  skipped ${issue.ref}: ${issue.reason}`),
    ...problemLines(view),
  ])
  // One that waits for its host keeps its status.
  return view.status === 'error' || view.error_message !== null ? EXIT.failed : EXIT.done
}

/** What keeps it from being read, with the word that the README explains, and when it is tried again. */
function problemLines(view: RepositoryView): string[] {
  const { error_code: code, next_sync_at: next } = view
  if (view.error_message === null) return []
  const again = next === null ? [] : [`  It is tried again at ${timeOf(next)}.`]
  return [`  ${code ?? 'error'}: ${view.error_message}`, ...again]
}

/** What the host says of it; what its refusal says already is not said twice. */
function hostLines({ host, host_error: error, error_message: message }: RepositoryView): string[] {
  const said = host === null ? [] : [`  ${host.path}  ${host.visibility}${host.archived ? ', archived' : ''}`]
  return [...said, ...(error === null || error.message === message ? [] : [`  host: ${error.message}`])]
}

/** Unix seconds as a date of UTC. */
export function timeOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z')
}

/** The fields that set a credential. Throws UsageError, and AppError('invalid') for a file that cannot be read. */
export function credential(type: string | undefined, file: string | undefined) {
  if (type === undefined && file === undefined) return {}
  if (type === 'none' && file === undefined) return { credential_type: type }
  if (type === undefined || file === undefined) {
    throw new UsageError('--credential-type and --credential-file belong together.')
  }
  try {
    return { credential_type: type, auth_credentials: readFileSync(file === '-' ? 0 : file, 'utf8').trim() }
  } catch (error) {
    throw new AppError('invalid', `The credential cannot be read from ${file}.`, { cause: error })
  }
}

/** The only argument. Throws UsageError with this sentence. */
export function only(positionals: readonly string[], usage: string): string {
  const [value, ...more] = positionals
  if (value === undefined || more.length > 0) throw new UsageError(usage)
  return value
}

/** Where the management API has a repository. */
export function pathOf(id: string): string {
  return `/api/repositories/${encodeURIComponent(id)}`
}
