import { gitFailure } from './failure.ts'
import { programOutput } from './program-session.ts'
import { ProgramTransport } from './program-transport.ts'
import type { GitTransport } from './transport.ts'

/** Where programs look for their helpers; nothing of this process's environment is passed on. */
export const PROGRAM_PATH = '/usr/local/bin:/usr/bin:/bin'

const CONFIG: readonly [string, string][] = [
  // The path was checked against the allowed directories; whose files they are does not matter.
  ['safe.directory', '*'],
  ['uploadpack.allowFilter', 'true'],
  ['uploadpack.allowAnySHA1InWant', 'true'],
]

/**
 * Reads a repository on this machine through the `git` program. `path` comes from `localRepositoryPath`; `program` is
 * the git to run, by default the one on the search path.
 */
export function localTransport(path: string, options: { program?: string } = {}): GitTransport {
  const program = options.program ?? Bun.which('git') ?? 'git'
  const launch = {
    command: [program, 'upload-pack', '--strict', path] as const,
    environment: localEnvironment(),
    explain: explainLocal,
    connected: () => Promise.resolve(),
    cleanUp: () => Promise.resolve(),
  }
  return new ProgramTransport(() => Promise.resolve({ ...launch, command: [...launch.command] }), false)
}

function localEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: PROGRAM_PATH,
    HOME: '/nonexistent',
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_PROTOCOL: 'version=2',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_NO_LAZY_FETCH: '1',
    GIT_CONFIG_COUNT: String(CONFIG.length),
  }
  for (const [index, [key, value]] of CONFIG.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key
    environment[`GIT_CONFIG_VALUE_${index}`] = value
  }
  return environment
}

function explainLocal(stderr: string, exitCode: number | null): Error {
  const cause = programOutput(stderr, exitCode)
  if (stderr.includes('not appear to be a git repository')) {
    return gitFailure('missing', 'There is no git repository in this directory.', { cause })
  }
  return gitFailure('unreachable', 'The git program ended before it had answered.', { cause })
}
