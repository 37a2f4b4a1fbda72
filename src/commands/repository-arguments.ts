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
    ...(view.error_message === null ? [] : [`  ${view.error_message}`]),
  ])
  // One that waits for its host keeps its status.
  return view.status === 'error' || view.error_message !== null ? EXIT.failed : EXIT.done
}

/** What the host says of it. */
function hostLines({ host, host_error: error }: RepositoryView): string[] {
  const said = host === null ? [] : [`  ${host.path}  ${host.visibility}${host.archived ? ', archived' : ''}`]
  return [...said, ...(error === null ? [] : [`  ${error.message}`])]
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
