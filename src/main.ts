import packageJson from '../package.json' with { type: 'json' }
import { type Command, EXIT } from './commands/command.ts'
import { failureOf } from './commands/failure.ts'

process.exit(await main(process.argv.slice(2)))

async function main(args: readonly string[]): Promise<number> {
  const [name = 'serve', ...rest] = args
  if (name === '--version' || name === 'version') return say(`package-broker ${packageJson.version}`)
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

function overview(commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`)
  return `package-broker ${packageJson.version}: a private Composer repository in one executable

Usage: package-broker [command] [--help]

${lines.join('\n')}`
}

function say(text: string): number {
  console.log(text)
  return EXIT.done
}

function fail(text: string, code: number): number {
  console.error(text)
  return code
}
