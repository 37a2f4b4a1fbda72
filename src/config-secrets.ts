import { existsSync, readFileSync } from 'node:fs'
import { AppError, messageOf } from './errors.ts'

/**
 * The text of a secret, undefined when there is none: the variable itself, the file that `NAME_FILE` names, or the
 * credential of the name that systemd put into `CREDENTIALS_DIRECTORY`, see systemd.exec(5).
 * Throws AppError('invalid') when there are two, and when a file cannot be read or is empty.
 */
export function secretText(name: string, environment: Readonly<Record<string, string | undefined>>) {
  const { [name]: text, [`${name}_FILE`]: file, CREDENTIALS_DIRECTORY: directory } = environment
  const credential = directory ? `${directory}/${name}` : ''
  const given: { how: string; read: () => string }[] = []
  if (text) given.push({ how: 'directly', read: () => text })
  if (file) given.push({ how: `by ${name}_FILE`, read: () => contentOf(file, `the file that ${name}_FILE names`) })
  if (credential && existsSync(credential)) {
    given.push({ how: `by the credential ${name}`, read: () => contentOf(credential, `the credential ${name}`) })
  }
  const [first, second] = given
  if (first && second) throw new AppError('invalid', `is set both ${first.how} and ${second.how}; keep one of them.`)
  return first?.read()
}

function contentOf(path: string, what: string): string {
  let content: string
  try {
    content = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw new AppError('invalid', `${what} cannot be read: ${messageOf(error)}`)
  }
  if (content === '') throw new AppError('invalid', `${what} is empty.`)
  return content
}
