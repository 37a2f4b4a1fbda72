import { parseArgs } from 'node:util'
import { type Config, readConfig } from '../config.ts'
import { ownDatabaseFile, withDatabaseCopy } from '../maintenance/database-hold.ts'
import { type Checked, type Finding, verify as verifyData } from '../maintenance/verify.ts'
import { type Command, EXIT, print } from './command.ts'
import { withHeldData, withMaintenance } from './maintenance-client.ts'

/** `verify`. */
export const verify: Command = {
  summary: 'check database, record of changes and archives',
  help: `Usage: package-broker verify [--repair] [--json]

Checks the database and its references, the record of changes, and every byte of every archive; names files that are
damaged, gone, or named by nothing. A server that runs goes on; it needs free space for the database file beside it.

--repair puts damaged archives aside, so that they are built or fetched again when they are wanted, and removes files
that nothing names. Uploads cannot be made again. Exits with 1 when something is wrong and was not repaired.`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { repair: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    })
    process.umask(0o077)
    const config = readConfig()
    ownDatabaseFile(config)
    const now = Math.floor(Date.now() / 1000)
    const checks = await withHeldData(config, 'verify', (hold) =>
      withDatabaseCopy(config, hold, (copy) => verifyData({ config, copy, now })),
    )
    const repaired = values.repair ? await repair(config, checks) : new Set<Finding>()
    const wrong = checks.flatMap((check) => check.findings).filter((found) => found.wrong && !repaired.has(found))
    print(values.json, reportOf(checks, repaired), () => linesOf(checks, repaired))
    return wrong.length === 0 ? EXIT.done : EXIT.failed
  },
}

type Checks = readonly ({ readonly name: string } & Checked)[]

async function repair(config: Config, checks: Checks): Promise<ReadonlySet<Finding>> {
  const repaired = new Set<Finding>()
  const mendable = checks.flatMap((check) => check.findings).filter((found) => found.repair !== null)
  if (mendable.length === 0) return repaired
  await withMaintenance(config, async (tools) => {
    for (const found of mendable) if (await found.repair?.(tools)) repaired.add(found)
  })
  return repaired
}

function reportOf(checks: Checks, repaired: ReadonlySet<Finding>) {
  return checks.map(({ name, looked_at, findings }) => ({
    name,
    looked_at,
    findings: findings.map((found) => ({ what: found.what, wrong: found.wrong, repaired: repaired.has(found) })),
  }))
}

function linesOf(checks: Checks, repaired: ReadonlySet<Finding>): string[] {
  return checks.flatMap(({ name, looked_at, findings }) => [
    `${name}: ${looked_at} checked, ${findings.some((found) => found.wrong) ? 'not in order' : 'in order'}`,
    ...findings.map((found) => `  ${repaired.has(found) ? 'repaired: ' : ''}${found.what}`),
  ])
}
