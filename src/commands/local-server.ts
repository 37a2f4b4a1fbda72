import { existsSync } from 'node:fs'
import type { Config } from '../config.ts'
import { socketPath } from '../data-directory.ts'

/** The socket of the server that holds the data; null when none runs. */
export async function serverSocket(config: Config): Promise<string | null> {
  const socket = socketPath(config)
  return existsSync(socket) && (await answers(socket)) ? socket : null
}

async function answers(socket: string): Promise<boolean> {
  try {
    return (await fetch('http://localhost/health', { unix: socket })).ok
  } catch {
    // A socket file without a server is left over from a process that was killed.
    return false
  }
}
