import { billOfMaterials, versionInfo } from './build-info.ts'
import { type Command, EXIT } from './commands/command.ts'
import { failureOf } from './commands/failure.ts'

process.exit(await main(process.argv.slice(2)))

async function main(args: readonly string[]): Promise<number> {
  const [name = 'serve', ...rest] = args
  if (name === '--version' || name === 'version') return say(version(rest.includes('--json')))
  if (name === '--sbom') {
    const sbom = billOfMaterials()
    return sbom === null ? fail('Only an executable has a bill of materials.', EXIT.failed) : say(sbom.trimEnd())
  }
  try {
    // Loaded here and not above: the database library is unpacked when it is loaded, which can fail.
    const { COMMANDS } = await import('./commands/table.ts')
    if (name === '--help' || name === '-h' || name === 'help') return say(overview(COMMANDS))
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (!command) return fail(`There is no command “${name}”; package-broker --help lists them.`, EXIT.usage)
    if (rest.includes('--help') || rest.includes('-h')) return say(command.help)
    return await command.run(rest)
  } catch (error) {
    const { text, code } = failureOf(name, error)
    return fail(text, code)
  }
}

function version(json: boolean): string {
  const info = versionInfo()
  if (json) return JSON.stringify(info, null, 2)
  const { version, commit, bun, lock, schema } = info
  const built = commit === null || lock === null ? '' : `commit ${commit}, lock ${lock.slice(0, 12)}, `
  return `package-broker ${version} (${built}Bun ${bun}, schema ${schema})`
}

function overview(commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`)
  return `package-broker ${versionInfo().version}: a private Composer repository in one executable

Usage: package-broker [command] [--help]

${lines.join('\n')}

package-broker --version [--json] says which build this is, --sbom of what it is made.`
}

function say(text: string): number {
  console.log(text)
  return EXIT.done
}

function fail(text: string, code: number): number {
  console.error(text)
  return code
}
