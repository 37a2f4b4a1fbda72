import packageJson from '../package.json' with { type: 'json' }
import { type Command, EXIT } from './commands/command.ts'
import { config } from './commands/config.ts'
import { failureOf } from './commands/failure.ts'
import { healthcheck } from './commands/healthcheck.ts'
import { repository } from './commands/repository.ts'
import { serve } from './commands/serve.ts'
import { token } from './commands/token.ts'

const COMMANDS: Readonly<Record<string, Command>> = { serve, repository, token, config, healthcheck }

process.exit(await main(process.argv.slice(2)))

async function main(args: readonly string[]): Promise<number> {
  const [name = 'serve', ...rest] = args
  if (name === '--version' || name === 'version') return say(`package-broker ${packageJson.version}`)
  if (name === '--help' || name === '-h' || name === 'help') return say(overview())
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) return fail(`There is no command “${name}”; package-broker --help lists them.`, EXIT.usage)
  if (rest.includes('--help') || rest.includes('-h')) return say(command.help)
  try {
    return await command.run(rest)
  } catch (error) {
    const { text, code } = failureOf(name, error)
    return fail(text, code)
  }
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length))
  const lines = Object.entries(COMMANDS).map(([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`)
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
