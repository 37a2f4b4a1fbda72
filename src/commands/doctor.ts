import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { withoutControls } from '../printable.ts'
import { type Command, EXIT } from './command.ts'
import { failureOf } from './failure.ts'
import { withManagementApi } from './management-client.ts'

interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failure'
  readonly found: string
  readonly advice: string | null
}

/** `doctor`. */
export const doctor: Command = {
  summary: 'look at everything that the server stands on, and say what to do',
  help: `Usage: package-broker doctor [--json]

Looks at the configuration, the directories and the room in them, the database, the clock, the repositories and the hosts
they come from. Nothing is changed. Exits 1 when something does not work.`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean', default: false } } })
    const { findings, code } = await examined()
    if (values.json) console.log(JSON.stringify(findings, null, 2))
    else for (const finding of findings) for (const line of linesOf(finding)) console.log(line)
    return code
  },
}

/** What keeps the program from starting is what a doctor is asked for: it is the finding then. */
async function examined(): Promise<{ findings: Finding[]; code: number }> {
  try {
    const config = readConfig()
    const findings = await withManagementApi(config, async (api) => (await api.call('GET', '/api/doctor')) as Finding[])
    return { findings, code: findings.some(({ state }) => state === 'failure') ? EXIT.failed : EXIT.done }
  } catch (error) {
    const { text, code } = failureOf('doctor', error)
    const finding = {
      check: 'start',
      state: 'failure',
      found: text,
      advice: 'Mend this first; then ask again.',
    } as const
    return { findings: [finding], code }
  }
}

const MARKS = { ok: 'ok  ', warning: 'warn', failure: 'FAIL' } as const

function linesOf({ check, state, found, advice }: Finding): string[] {
  const first = `${MARKS[state]}  ${check}: ${withoutControls(found)}`
  return advice === null ? [first] : [first, `      → ${withoutControls(advice)}`]
}
