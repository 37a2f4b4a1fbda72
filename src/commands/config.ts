import { parseArgs } from 'node:util'
import { effectiveValues, readConfig } from '../config.ts'
import { type Command, columns, EXIT, print } from './command.ts'

/** `config`: the effective configuration. */
export const config: Command = {
  summary: 'print the effective configuration, secrets hidden',
  help: `Usage: package-broker config [--json]

Prints every variable with its effective value. Mistakes are reported as at start.`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean', default: false } } })
    const table = effectiveValues(readConfig())
    print(values.json, Object.fromEntries(table.map((row) => [row.name, row.value])), () =>
      columns([['VARIABLE', 'VALUE', 'MEANING'], ...table.map((row) => [row.name, row.value || '–', row.meaning])]),
    )
    return EXIT.done
  },
}
