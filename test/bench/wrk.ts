/** What to load a server with. */
export interface Load {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
}

/** The command line of a load; one thread, which leaves a core to the server. */
export function wrkCommand({ url, headers, connections, seconds }: Load): string[] {
  const sent = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  return ['wrk', '-t1', '--latency', `-c${connections}`, `-d${seconds}s`, ...sent, url]
}

/** The command with its secrets and addresses made short, for a reader. */
export function shownCommand(load: Load): string {
  const { pathname, search } = new URL(load.url)
  const words = wrkCommand({ ...load, url: pathname + search }).map((word) =>
    word.startsWith('Authorization') ? 'Authorization: …' : word,
  )
  return words.map((word) => (/[ "?]/.test(word) ? `'${word}'` : word)).join(' ')
}

/** Requests per second. Throws when an answer failed: a fast error is no speed. */
export async function requestsPerSecond(load: Load): Promise<number> {
  return (await answered(load)).rate
}

/** Requests per second, and the milliseconds in which 99 of 100 were answered. Throws as `requestsPerSecond` does. */
export async function answered(load: Load): Promise<{ rate: number; p99: number }> {
  const wrk = Bun.spawn(wrkCommand(load), { stdout: 'pipe', stderr: 'pipe' })
  const text = await new Response(wrk.stdout).text()
  if ((await wrk.exited) !== 0) throw new Error(`wrk failed: ${await new Response(wrk.stderr).text()}${text}`)
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`not every request was answered well:\n${text}`)
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1])
  const [, amount, unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? []
  const p99 = Number(amount) * (UNITS[unit] ?? Number.NaN)
  if (!(rate > 0 && p99 > 0)) throw new Error(`wrk printed no rate:\n${text}`)
  return { rate, p99 }
}

/** Milliseconds in a unit of wrk. */
const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 }
