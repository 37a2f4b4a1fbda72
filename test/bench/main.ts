import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureArchives } from './archives.ts'
import { startBroker } from './broker.ts'
import { measureColdArchive } from './cold-archive.ts'
import { measureComposer } from './composer-client.ts'
import { measureDocuments, type Stage } from './documents.ts'
import { measureFirstSync } from './first-sync.ts'
import { measureLoad } from './load.ts'
import { measureMirror } from './mirror.ts'
import { startNginx } from './nginx.ts'
import { type Finding, printReport } from './report.ts'
import { measureScale } from './scale.ts'
import { measureStart } from './start.ts'
import { measureSweep } from './sweep.ts'

/**
 * Measures what is promised about speed and prints one table: `bun test/bench/main.ts [start] [documents] [archives]
 * [cold-archive] [first-sync] [scale] [composer] [mirror] [load]
 * [sweep]`, all of them by default. A goal that is missed is a line of
 * the table, not a failure: figures of one machine depend on what else it does.
 */
const PROGRAMS = {
  nginx: 'apt-get install nginx-light',
  wrk: 'apt-get install wrk',
  composer: 'apt-get install composer',
  git: 'apt-get install git',
}

const SCENARIOS: Record<string, (stage: Stage, executable: string) => Promise<Finding>> = {
  start: ({ work }, executable) => measureStart(executable, work),
  documents: measureDocuments,
  archives: measureArchives,
  'cold-archive': measureColdArchive,
  'first-sync': measureFirstSync,
  scale: measureScale,
  composer: measureComposer,
  mirror: measureMirror,
  load: measureLoad,
  sweep: measureSweep,
}

process.exit(await main(process.argv.slice(2)))

async function main(wanted: readonly string[]): Promise<number> {
  const missing = Object.entries(PROGRAMS).filter(([program]) => Bun.which(program) === null)
  for (const [program, install] of missing) console.error(`${program} is missing; on Debian: ${install}`)
  const unknown = wanted.filter((name) => !Object.hasOwn(SCENARIOS, name))
  for (const name of unknown)
    console.error(`There is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(', ')}.`)
  if (missing.length > 0 || unknown.length > 0) return 1
  const work = mkdtempSync(join(tmpdir(), 'package-broker-bench-'))
  try {
    return await runScenarios(work, wanted.length > 0 ? wanted : Object.keys(SCENARIOS))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

async function runScenarios(work: string, wanted: readonly string[]): Promise<number> {
  const executable = build(join(work, 'package-broker'))
  const root = join(work, 'root')
  for (const directory of [root, join(work, 'repositories'), join(work, 'git')]) mkdirSync(directory)
  const nginx = await startNginx(work, root)
  const broker = await startBroker(executable, work, { LOCAL_REPOSITORY_ROOTS: join(work, 'repositories') })
  const findings: Finding[] = []
  let failures = 0
  try {
    const stage: Stage = { work, root, broker, nginx, token: await broker.readonlyToken() }
    for (const name of wanted) {
      console.error(`${name} …`)
      try {
        const finding = await SCENARIOS[name]?.(stage, executable)
        if (finding) findings.push(finding)
      } catch (error) {
        failures++
        console.error(`${name} could not be measured:`, error)
      }
    }
  } finally {
    await broker.stop()
    await nginx.stop()
  }
  printReport(findings)
  return failures === 0 ? 0 : 1
}

/** The executable as it is shipped, made anew so that it is the code that stands here. */
function build(path: string): string {
  const program = join(import.meta.dir, '../../src/build.ts')
  const target = process.env.BENCH_EXECUTABLE
  if (target !== undefined) return target
  const platform = `bun-${process.platform}-${process.arch}`
  const built = Bun.spawnSync([process.execPath, program, platform, path], { stdout: 'ignore', stderr: 'inherit' })
  if (!built.success) throw new Error('The executable could not be built.')
  return path
}
