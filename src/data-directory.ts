import { mkdirSync } from 'node:fs'
import type { Config } from './config.ts'
import { AppError, messageOf } from './errors.ts'

/** The socket that commands use while a server runs; whoever may open it owns the data. */
export function socketPath(config: Config): string {
  return `${config.dataDir}/package-broker.sock`
}

/** Makes the directories that are configured. Throws AppError('unavailable') when one cannot be made. */
export function makeDirectories(config: Config): void {
  for (const directory of [config.dataDir, config.archiveDir]) {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o750 })
    } catch (error) {
      throw new AppError('unavailable', `${directory} cannot be created: ${messageOf(error)}`, {
        cause: error,
        fault: 'lasting',
      })
    }
  }
}
