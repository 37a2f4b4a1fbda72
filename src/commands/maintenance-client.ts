import { createApp } from '../app.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { type HeldData, holdHere } from '../maintenance/database-hold.ts'
import type { Garbage } from '../maintenance/garbage.ts'
import type { ArchiveCondition } from '../maintenance/maintenance.ts'
import type { RepairTools } from '../maintenance/verify.ts'
import { silentLogger } from '../observability/logger.ts'
import { serverSocket } from './local-server.ts'

/** Longest first line of a hold, in characters. */
const MAX_LINE = 1_000

/**
 * Runs `work` while the data stands still: held by the server that has it, or by this process when none runs.
 * Throws AppError('conflict') when another command has the data.
 */
export async function withHeldData<T>(
  config: Config,
  purpose: string,
  work: (hold: HeldData) => Promise<T>,
): Promise<T> {
  const socket = await serverSocket(config)
  const hold = socket === null ? await holdHere(config, purpose) : await holdOfServer(socket)
  try {
    return await work(hold)
  } finally {
    await hold.end()
  }
}

/**
 * Runs `work` with what only the owner of the data can do: asked of the server that runs, or done in this process.
 */
export async function withMaintenance<T>(config: Config, work: (tools: RepairTools) => Promise<T>): Promise<T> {
  const socket = await serverSocket(config)
  if (socket !== null) return work(toolsOfServer(socket))
  const app = await createApp(config, { logger: silentLogger, purpose: 'command line' })
  try {
    return await work(app.maintenance)
  } finally {
    await app.stop()
  }
}

function toolsOfServer(socket: string): RepairTools {
  async function ask(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`http://localhost/maintenance/${path}`, {
      method: 'POST',
      unix: socket,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw await refusal(response)
    return response.json()
  }
  return {
    recheck: async (folder, sha256) =>
      ((await ask('recheck', { folder, sha256 })) as { condition: ArchiveCondition }).condition,
    collectGarbage: async (dryRun) => (await ask('gc', { dry_run: dryRun })) as Garbage,
  }
}

/** The hold lasts as long as its answer is being read. */
async function holdOfServer(socket: string): Promise<HeldData> {
  const leaving = new AbortController()
  const response = await fetch('http://localhost/maintenance/hold', {
    method: 'POST',
    unix: socket,
    signal: leaving.signal,
  })
  if (!response.ok || response.body === null) throw await refusal(response)
  const reader = response.body.getReader()
  const id = await firstLine(reader)
  // What follows are signs of life; they are read so that the connection goes on.
  const over = drain(reader)
  return {
    async copied() {
      const path = `http://localhost/maintenance/hold/${id}/copied`
      const answer = await fetch(path, { method: 'POST', unix: socket }).catch(() => null)
      if (answer === null) throw new AppError('unavailable', 'The server ended while its database was copied.')
      if (!answer.ok) throw await refusal(answer)
    },
    async end() {
      leaving.abort()
      await over
    },
  }
}

async function firstLine(reader: { read(): Promise<{ done: boolean; value?: Uint8Array }> }): Promise<string> {
  let text = ''
  while (!text.includes('\n')) {
    const { done, value } = await reader.read()
    if (done || text.length > MAX_LINE)
      throw new AppError('unavailable', 'The server ended the backup before it began.')
    text += new TextDecoder().decode(value)
  }
  return (JSON.parse(text) as { hold: string }).hold
}

async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // Ended by us, or the server is gone: `copied` and the copying itself tell.
  }
}

async function refusal(response: Response): Promise<AppError> {
  const { error } = (await response.json()) as { error?: string }
  return new AppError('unavailable', error ?? `The server answered ${response.status}.`)
}
