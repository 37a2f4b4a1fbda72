import { statSync } from 'node:fs'
import type { Failure, Progress, Wanted } from '../bundle/collect.ts'
import { type LockFile, MAX_LOCK_BYTES, readLockFile } from '../bundle/lock-file.ts'
import { parseConstraint } from '../composer/constraint.ts'
import { packageNameProblem } from '../composer/package-name.ts'
import { AppError, messageOf } from '../errors.ts'
import { withoutControls } from '../printable.ts'
import { UsageError } from './command.ts'

/** Options by which lock files are named. */
export const LOCK_OPTIONS = {
  lock: { type: 'string', multiple: true, default: [] as string[] },
  'no-dev': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** Reads lock files. Throws AppError('invalid' | 'too_large') with the path. */
export async function readLocks(paths: readonly string[]): Promise<LockFile[]> {
  const locks: LockFile[] = []
  for (const path of paths) {
    const file = Bun.file(path)
    if (!(await file.exists()) || !statSync(path).isFile()) throw new AppError('invalid', `There is no file ${path}.`)
    if (file.size > MAX_LOCK_BYTES) throw new AppError('too_large', `${path} is larger than ${MAX_LOCK_BYTES} bytes.`)
    try {
      locks.push(readLockFile(await file.text()))
    } catch (cause) {
      throw new AppError('invalid', `${path}: ${messageOf(cause)}`, { cause })
    }
  }
  return locks
}

/** What lock files name. */
export function lockedIn(locks: readonly LockFile[], noDev: boolean): Wanted['locked'] {
  return locks.flatMap(({ packages }) => packages.filter(({ dev }) => !(noDev && dev)))
}

/** Reads `name[:constraint],…`; a comma inside a constraint belongs to it. Throws UsageError. */
export function readPackages(text: string | undefined): Wanted['packages'] {
  if (text === undefined) return []
  return text.split(/,(?=\s*[A-Za-z0-9_.-]+\/)/).map((part) => {
    const colon = part.indexOf(':')
    const name = (colon < 0 ? part : part.slice(0, colon)).trim()
    const problem = packageNameProblem(name)
    if (problem !== null) throw new UsageError(`--packages cannot be read: ${problem}.`)
    try {
      const constraint = colon < 0 ? null : parseConstraint(part.slice(colon + 1).trim())
      return { name: name.toLowerCase(), constraint }
    } catch (error) {
      throw new UsageError(`--packages cannot be read: ${messageOf(error)}.`)
    }
  })
}

/** A line of progress when standard error is a terminal. */
export function progressLine(): { step: Progress; end(): void } {
  const terminal = process.stderr.isTTY
  return {
    step: (step, done, total) => {
      if (terminal) process.stderr.write(`\r\u001b[K${step} ${done}/${total} …`)
    },
    end: () => {
      if (terminal) process.stderr.write('\r\u001b[K')
    },
  }
}

/** What could not be had, a line each. What an upstream wrote cannot move the cursor of a terminal. */
export function failureLines(failures: readonly Failure[]): string[] {
  return [...failures]
    .sort((one, other) => (one.package < other.package ? -1 : 1))
    .map(({ package: name, version, reason }) => `  ${name} ${version ?? ''}: ${reason}`.replace(' :', ':'))
    .map(withoutControls)
}
