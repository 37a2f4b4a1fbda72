import { isAppError } from '../errors.ts'
import { withoutControlsInLines } from '../printable.ts'
import { EXIT, UsageError } from './command.ts'

const NOT_UNPACKED =
  'The database library cannot be loaded: the directory for temporary files must exist, be writable and allow execution; TMPDIR names another one.'

/**
 * What to print for a thrown value, and the exit code: 2 for wrong usage or configuration, 75 and 78 for what surrounds
 * the program, else 1.
 */
export function failureOf(command: string, error: unknown): { text: string; code: number } {
  const { text, code } = said(command, error)
  return { text: withoutControlsInLines(text), code }
}

function said(command: string, error: unknown): { text: string; code: number } {
  if (!(error instanceof Error)) return { text: String(error), code: EXIT.failed }
  const errorCode = 'code' in error ? String(error.code) : ''
  if (errorCode === 'ERR_DLOPEN_FAILED') return { text: `${NOT_UNPACKED}\n${error.message}`, code: EXIT.surroundings }
  const wrongFlag = errorCode.startsWith('ERR_PARSE_ARGS')
  if (wrongFlag || error instanceof UsageError) {
    return { text: `${error.message}\npackage-broker ${command} --help tells more.`, code: EXIT.usage }
  }
  if (!isAppError(error)) return { text: error.stack ?? error.message, code: EXIT.failed }
  if (error.fault === 'temporary') return { text: error.message, code: EXIT.temporary }
  if (error.fault === 'lasting') return { text: error.message, code: EXIT.surroundings }
  if (!error.details.configuration) return { text: error.message, code: EXIT.failed }
  return { text: `The configuration is wrong:\n${error.message}`, code: EXIT.usage }
}
