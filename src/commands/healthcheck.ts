import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { messageOf } from '../errors.ts'
import { type Command, EXIT } from './command.ts'

/** Longest wait for an answer, in milliseconds. */
const PATIENCE = 5_000

const NOBODY = 'nobody listens there. Where the server is, HOST and PORT of this command say, or --url.'

/** `healthcheck`: whether the server of this configuration can serve. */
export const healthcheck: Command = {
  summary: 'ask the running server whether it is ready',
  help: `Usage: package-broker healthcheck [--url URL]

Exits 0 when the server at HOST and PORT (or URL) is ready, else 1 with the reason.`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { url: { type: 'string' } } })
    const { host, port } = readConfig()
    const local = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
    const url = values.url ?? `http://${local}:${port}`
    try {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(PATIENCE) })
      if (response.ok) return EXIT.done
      console.error(`${url} is not ready: ${await reasonOf(response)}`)
    } catch (error) {
      const refused = (error as { code?: unknown }).code === 'ECONNREFUSED'
      console.error(`${url} does not answer: ${refused ? NOBODY : messageOf(error)}`)
    }
    return EXIT.failed
  },
}

/** The sentence of our own error answers; anything else that listens there is told by its status. */
async function reasonOf(response: Response): Promise<string> {
  const answer = (await response.json().catch(() => null)) as { error?: unknown } | null
  return typeof answer?.error === 'string' ? answer.error : `it answered ${response.status}`
}
