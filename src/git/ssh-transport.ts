import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../errors.ts'
import { gitFailure } from './failure.ts'
import { PROGRAM_PATH } from './local-transport.ts'
import { type ProgramLaunch, programOutput } from './program-session.ts'
import { ProgramTransport } from './program-transport.ts'
import type { GitTransport } from './transport.ts'
import type { GitUrl } from './url.ts'

/** How to reach a repository over ssh. */
export interface SshOptions {
  readonly url: Extract<GitUrl, { kind: 'ssh' }>
  /** An OpenSSH or PEM key without a passphrase; null when the server needs none. */
  readonly privateKey: string | null
  /** The host's key on record, `ssh-ed25519 AAAA…`; null on first use. */
  readonly hostKey: string | null
  /** Told the host's key on first use, to be put on record. */
  readonly onHostKey: (key: string) => void | Promise<void>
  /** The ssh to run; by default the one on the search path. */
  readonly program?: string
}

/** The name under which a host is on record; with an alias neither port nor address matters. */
const HOST_ALIAS = 'pinned'
const CONNECT_TIMEOUT_S = 15

/**
 * Reads a repository through the `ssh` program. The private key lies in a file of mode 0600 while ssh connects. Throws
 * `AppError('invalid')` for a malformed host key; requests fail with `auth`, `host_key`, `missing` or `unreachable`.
 */
export function sshTransport(options: SshOptions): GitTransport {
  let hostKey = options.hostKey
  if (hostKey !== null && !isHostKey(hostKey)) {
    throw new AppError('invalid', 'An ssh host key has the form "ssh-ed25519 AAAA…".')
  }
  const prepare = async (assign: boolean): Promise<ProgramLaunch> => {
    const directory = await mkdtemp(join(tmpdir(), 'package-broker-ssh-'))
    const knownHosts = join(directory, 'known_hosts')
    const keyFile = options.privateKey === null ? null : join(directory, 'key')
    const cleanUp = () => rm(directory, { recursive: true, force: true })
    try {
      await writeFile(knownHosts, hostKey === null ? '' : `${HOST_ALIAS} ${hostKey}\n`, { mode: 0o600 })
      if (keyFile !== null) await writeFile(keyFile, keyText(options.privateKey ?? ''), { mode: 0o600 })
    } catch (error) {
      await cleanUp()
      throw error
    }
    const files = { knownHosts, keyFile }
    const program = options.program ?? Bun.which('ssh') ?? 'ssh'
    const connected = async () => {
      if (hostKey !== null) return
      const recorded = await recordedKey(knownHosts)
      await options.onHostKey(recorded)
      hostKey = recorded
    }
    return {
      command: [program, ...sshArguments(options.url, files, hostKey !== null, assign)],
      environment: { PATH: PROGRAM_PATH, HOME: '/nonexistent', LC_ALL: 'C', GIT_PROTOCOL: 'version=2' },
      explain: (stderr, exitCode) => explainSsh(options.url.host, stderr, exitCode),
      connected,
      cleanUp,
    }
  }
  return new ProgramTransport(prepare, true)
}

/**
 * The arguments for ssh. `pinned`: only the key on record is good; otherwise the first key seen is. `assign` sets the
 * protocol in the remote command, for servers that accept no variables from clients.
 */
export function sshArguments(
  url: SshOptions['url'],
  files: { knownHosts: string; keyFile: string | null },
  pinned: boolean,
  assign: boolean,
): string[] {
  const settings: [string, string][] = [
    ['BatchMode', 'yes'],
    ['IdentitiesOnly', 'yes'],
    ['StrictHostKeyChecking', pinned ? 'yes' : 'accept-new'],
    ['UserKnownHostsFile', files.knownHosts],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['HostKeyAlias', HOST_ALIAS],
    ['HashKnownHosts', 'no'],
    ['UpdateHostKeys', 'no'],
    ['CheckHostIP', 'no'],
    ['PreferredAuthentications', 'publickey'],
    ['ForwardAgent', 'no'],
    ['ClearAllForwardings', 'yes'],
    ['ConnectTimeout', String(CONNECT_TIMEOUT_S)],
    ['ServerAliveInterval', '15'],
    ['SendEnv', 'GIT_PROTOCOL'],
  ]
  const command = `git-upload-pack ${quoteForShell(url.path)}`
  return [
    '-F',
    '/dev/null',
    '-T',
    ...settings.flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(files.keyFile === null ? ['-o', 'IdentityFile=none'] : ['-i', files.keyFile]),
    ...(url.port === null ? [] : ['-p', String(url.port)]),
    ...(url.user === null ? [] : ['-l', url.user]),
    '--',
    url.host,
    assign ? `GIT_PROTOCOL=version=2 ${command}` : command,
  ]
}

/** One word of a POSIX shell (`git: quote.c`, sq_quote). */
function quoteForShell(text: string): string {
  return `'${text.replace(/['!]/g, (character) => `'\\${character}'`)}'`
}

function keyText(key: string): string {
  return `${key.replace(/\r\n?/g, '\n').trim()}\n`
}

function isHostKey(key: string): boolean {
  return /^[a-z0-9][a-z0-9@.-]{0,63} [A-Za-z0-9+/]{16,4096}={0,2}$/.test(key)
}

async function recordedKey(knownHosts: string): Promise<string> {
  const lines = (await readFile(knownHosts, 'utf8')).split('\n')
  const line = lines.find((candidate) => candidate.startsWith(`${HOST_ALIAS} `)) ?? ''
  const key = line.slice(HOST_ALIAS.length + 1).trim()
  if (!isHostKey(key)) throw gitFailure('host_key', 'The ssh program did not report the key of the host.')
  return key
}

function explainSsh(host: string, stderr: string, exitCode: number | null): Error {
  const cause = programOutput(stderr, exitCode)
  const text = stderr.toLowerCase()
  const has = (...words: string[]) => words.some((word) => text.includes(word))
  if (has('host key verification failed', 'host identification has changed')) {
    const sentence = `The ssh key of ${host} is not the one on record; when the change is expected, have the key on record forgotten.`
    return gitFailure('host_key', sentence, { cause })
  }
  if (has('load key', 'error in libcrypto', 'invalid format')) {
    const sentence = 'The private key cannot be used: it must be an OpenSSH or PEM key without a passphrase.'
    return gitFailure('auth', sentence, { cause })
  }
  if (has('permission denied')) return gitFailure('auth', `${host} does not accept the ssh key.`, { cause })
  if (
    has('repository not found', 'does not exist', 'not appear to be a git repository', 'access denied', 'not be found')
  ) {
    const sentence = 'There is no such repository, or the ssh key does not allow seeing it.'
    return gitFailure('missing', sentence, { cause })
  }
  return gitFailure('unreachable', `The ssh connection to ${host} failed.`, { cause })
}
