import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const script = join(import.meta.dir, 'composer-oracle.php')

/** One version as Composer's own `VcsRepository` (git driver) imports it; `time` in Unix seconds. */
export interface OracleVersion {
  name: string
  version: string
  version_normalized: string
  'default-branch': boolean
  reference: string
  time: number | null
}

/** A question to the Composer library: its kind (see composer-oracle.php), then its arguments. */
export type OracleQuestion = readonly [kind: string, input: string, argument?: string]

/**
 * False only on a developer's machine without PHP and the Composer library; with `CI` set a missing oracle must fail
 * the tests instead of skipping them.
 */
export const oracleAvailable =
  process.env.CI !== undefined || (Bun.which('php') !== null && existsSync('/usr/share/php/Composer/autoload.php'))

/** What Composer's `VcsRepository` imports from a local git directory, in Composer's order, duplicates included. */
export async function composerVersions(repositoryPath: string): Promise<OracleVersion[]> {
  return JSON.parse(await runOracle(['versions', repositoryPath], '')) as OracleVersion[]
}

/** The library's answers, in order; null where it refuses (an exception or a PHP error). One PHP process for all. */
export async function askComposer(questions: readonly OracleQuestion[]): Promise<unknown[]> {
  return JSON.parse(await runOracle(['questions'], JSON.stringify(questions))) as unknown[]
}

/** One version as Composer's `ComposerRepository` finds it. */
export interface OraclePackage {
  name: string
  version: string
  version_normalized: string
  stability: string
  shasum: string | null
}

/** Every version of these packages that Composer finds in the Composer repository at an address. */
export async function composerPackages(url: string, names: readonly string[]): Promise<OraclePackage[]> {
  return JSON.parse(await runOracle(['repository', url], JSON.stringify(names))) as OraclePackage[]
}

async function runOracle(args: string[], input: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'composer-oracle-'))
  try {
    const php = Bun.spawn(['php', '-d', 'memory_limit=1G', script, ...args], {
      stdin: new Blob([input]),
      stdout: 'pipe',
      stderr: 'pipe',
      env: {
        ...process.env,
        COMPOSER_HOME: home,
        COMPOSER_CACHE_DIR: join(home, 'cache'),
        COMPOSER_ALLOW_SUPERUSER: '1',
      },
    })
    const [output, problems, exitCode] = await Promise.all([
      new Response(php.stdout).text(),
      new Response(php.stderr).text(),
      php.exited,
    ])
    if (exitCode !== 0) throw new Error(`the Composer library failed (${exitCode}): ${problems}${output}`)
    return output
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
