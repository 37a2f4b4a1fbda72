import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { messageOf } from '../../src/errors.ts'
import { gitFailureReason } from '../../src/git/failure.ts'
import { localRepositoryPath } from '../../src/git/local-path.ts'
import { localTransport } from '../../src/git/local-transport.ts'
import { type SshOptions, sshArguments, sshTransport } from '../../src/git/ssh-transport.ts'
import { parseGitUrl } from '../../src/git/url.ts'
import { archivedFiles } from '../support/git-archive.ts'
import { soon } from '../support/git-client.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { OneFileRepository } from '../support/one-file.ts'

let root = ''
let repository: TestGitRepository

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'git-program-'))
  repository = createGitRepository(join(root, "it's a lib!.git"), {
    commits: [1, 2, 3].map((index) => ({
      files: { 'composer.json': `{"a":${index}}`, 'tests/a': 'x', '.gitattributes': 'tests export-ignore' },
      annotatedTags: [`v${index}`],
    })),
  })
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => `${gitFailureReason(error)}: ${messageOf(error)}`,
  )

/** Reads all there is and compares it with git. */
async function expectReadable(git: OneFileRepository): Promise<void> {
  const { refs, head } = await git.listRefs(soon())
  expect(head?.commit).toBe(repository.resolve('main'))
  expect(refs.length).toBe(4)
  const files = await git.readFile(
    'composer.json',
    refs.map(({ commit }) => commit),
    soon(),
  )
  for (const { name, commit } of refs) {
    const file = files.get(commit)
    const text = file?.kind === 'file' ? Buffer.from(file.content ?? []).toString() : file
    expect(text).toBe(repository.git(['show', `${name}:composer.json`]))
  }
  const snapshot = await git.snapshot(head?.commit ?? '', soon())
  const paths = snapshot.files.map(({ path }) => Buffer.from(path).toString('latin1'))
  expect(paths).toEqual(archivedFiles(repository, 'main').map(({ path }) => path))
}

describe('a repository on this machine', () => {
  test('is read through the git program, one process for all requests', async () => {
    const path = localRepositoryPath(`file://${encodeURI(repository.path)}`, [root])
    const counter = script('counting-git', `echo x >> '${root}/starts'\nexec git "$@"`)
    const git = new OneFileRepository(localTransport(path, { program: counter }))
    await expectReadable(git)
    expect(readFileSync(join(root, 'starts'), 'utf8')).toBe('x\n')
    await git.close()
    await expectReadable(git)
    expect(readFileSync(join(root, 'starts'), 'utf8')).toBe('x\nx\n')
    await git.close()
  })

  test('two tasks at once get a process each', async () => {
    const git = new OneFileRepository(localTransport(repository.path))
    await Promise.all([expectReadable(git), expectReadable(git), expectReadable(git)])
    await git.close()
  })

  test('a failure of one request leaves the next one working', async () => {
    const git = new OneFileRepository(localTransport(repository.path))
    const files = await git.readFile('composer.json', ['1'.repeat(40), repository.resolve('main')], soon())
    expect([...files.values()].map(({ kind }) => kind)).toEqual(['unreadable', 'file'])
    await expectReadable(git)
    await git.close()
  })

  test('no repository, no git', async () => {
    expect(await reasonOf(new OneFileRepository(localTransport(root)).listRefs(soon()))).toStartWith('missing: ')
    const missing = localTransport(repository.path, { program: join(root, 'no-such-git') })
    expect(await reasonOf(new OneFileRepository(missing).listRefs(soon()))).toMatch(/^unsupported: .*no-such-git/)
  })

  test('an abort ends the program and what it started', async () => {
    const slow = script('slow-git', `sleep 60 & echo $! > '${root}/child'\nwait`)
    const controller = new AbortController()
    const listing = new OneFileRepository(localTransport(repository.path, { program: slow })).listRefs(
      controller.signal,
    )
    while (!existsSync(join(root, 'child')) || readFileSync(join(root, 'child'), 'utf8') === '') await Bun.sleep(5)
    controller.abort(new Error('enough'))
    await expect(listing).rejects.toThrow('enough')
    const pid = readFileSync(join(root, 'child'), 'utf8').trim()
    const deadline = Date.now() + 2000
    while (isRunning(pid) && Date.now() < deadline) await Bun.sleep(10)
    expect(isRunning(pid)).toBe(false)
  })

  test('the environment is our own', async () => {
    const printing = script('printing-git', `env > '${root}/environment'\nexit 1`)
    process.env.SECRET_OF_THE_SERVER = 'x'
    await reasonOf(new OneFileRepository(localTransport(repository.path, { program: printing })).listRefs(soon()))
    delete process.env.SECRET_OF_THE_SERVER
    const environment = readFileSync(join(root, 'environment'), 'utf8')
    expect(environment).toContain('GIT_PROTOCOL=version=2')
    expect(environment).not.toContain('SECRET_OF_THE_SERVER')
  })
})

describe('a repository over ssh', () => {
  const KEY = `-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\r\n-----END OPENSSH PRIVATE KEY-----`
  const HOST_KEY = `ssh-ed25519 ${'A'.repeat(68)}`

  /** An ssh that logs in nowhere: it runs the remote command here, as a server's shell would. */
  function fakeSsh(name: string, options: { acceptsVariables?: boolean; before?: string } = {}): string {
    return script(
      name,
      [
        `printf '%s\\n' "$@" > '${root}/${name}.arguments'`,
        `for word in "$@"; do case "$word" in`,
        `  UserKnownHostsFile=*) known="\${word#*=}";;`,
        `  */key) key="$word";;`,
        `esac; last="$word"; done`,
        `case "$*" in *accept-new*) echo 'pinned ${HOST_KEY}' > "$known";; esac`,
        `[ -n "$key" ] && { stat -c %a "$key"; cat "$key"; } > '${root}/${name}.key'`,
        `cp "$known" '${root}/${name}.known'`,
        options.before ?? '',
        options.acceptsVariables === false ? 'unset GIT_PROTOCOL' : '',
        `exec sh -c "$last"`,
      ].join('\n'),
    )
  }

  function options(program: string, more: Partial<SshOptions> = {}): SshOptions {
    const url = { kind: 'ssh', user: 'git', host: 'git.example.org', port: 2222, path: repository.path } as const
    return { url, privateKey: KEY, hostKey: null, onHostKey: () => undefined, program, ...more }
  }

  /** The directory that ssh was given for its files. */
  function filesOf(program: string): string {
    const words = readFileSync(`${program}.arguments`, 'utf8').split('\n')
    const option = words.find((word) => word.startsWith('UserKnownHostsFile=')) ?? ''
    expect(option).toContain('package-broker-ssh-')
    return dirname(option.slice('UserKnownHostsFile='.length))
  }

  test('first use: the key of the host is reported, the private key lies in a file only for the login', async () => {
    const keys: string[] = []
    const program = fakeSsh('ssh-first')
    const git = new OneFileRepository(sshTransport(options(program, { onHostKey: (key) => void keys.push(key) })))
    await expectReadable(git)
    await git.close()
    await expectReadable(git)
    await git.close()
    expect(keys).toEqual([HOST_KEY])
    expect(readFileSync(`${program}.key`, 'utf8')).toBe(`600\n${KEY.replaceAll('\r', '')}\n`)
    // The second login insisted on the key of the first one.
    expect(readFileSync(`${program}.arguments`, 'utf8')).toContain('StrictHostKeyChecking=yes')
    expect(readFileSync(`${program}.known`, 'utf8')).toBe(`pinned ${HOST_KEY}\n`)
    expect(existsSync(filesOf(program))).toBe(false)
  })

  test('a server that drops the variable is asked once more with an assignment', async () => {
    const program = fakeSsh('ssh-strict', { acceptsVariables: false })
    const git = new OneFileRepository(sshTransport(options(program, { hostKey: HOST_KEY })))
    await expectReadable(git)
    await git.close()
    const words = readFileSync(`${program}.arguments`, 'utf8').trimEnd().split('\n')
    expect(words.at(-1)).toStartWith('GIT_PROTOCOL=version=2 git-upload-pack ')
  })

  test('a server that speaks only protocol 0 is refused after the second attempt', async () => {
    const program = script(
      'ssh-old',
      `echo x >> '${root}/attempts'\nexec env -u GIT_PROTOCOL git upload-pack "${repository.path}"`,
    )
    const git = new OneFileRepository(sshTransport(options(program, { hostKey: HOST_KEY })))
    expect(await reasonOf(git.listRefs(soon()))).toMatch(/^unsupported: .*version 2/)
    expect(readFileSync(join(root, 'attempts'), 'utf8')).toBe('x\nx\n')
  })

  const failures: [string, string, string][] = [
    ['host key', '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.', 'host_key'],
    ['refused key', 'git@git.example.org: Permission denied (publickey).', 'auth'],
    ['unusable key', 'Load key "/x": error in libcrypto\nPermission denied (publickey).', 'auth'],
    ['no repository', 'ERROR: Repository not found.\nfatal: Could not read from remote repository.', 'missing'],
    ['no host', 'ssh: Could not resolve hostname git.example.org: Name or service not known', 'unreachable'],
    ['silence', '', 'unreachable'],
  ]
  for (const [name, stderr, reason] of failures) {
    test(`failure: ${name}`, async () => {
      const program = script(
        `ssh-${name.replaceAll(' ', '-')}`,
        `printf '%s\\n' "$@" > "$0.arguments"\ncat >&2 <<'END'\n${stderr}\nEND\nexit 255`,
      )
      const git = new OneFileRepository(sshTransport(options(program, { hostKey: HOST_KEY })))
      const said = await reasonOf(git.listRefs(soon()))
      expect(said).toStartWith(`${reason}: `)
      expect(said).not.toContain('/x')
      expect(existsSync(filesOf(program))).toBe(false)
    })
  }

  test('an ssh that reports no host key on first use, and a callback that fails', async () => {
    const silent = script('ssh-silent', `exec git upload-pack "${repository.path}"`)
    expect(await reasonOf(new OneFileRepository(sshTransport(options(silent))).listRefs(soon()))).toStartWith(
      'host_key: ',
    )
    const refuse = () => {
      throw new Error('cannot be recorded')
    }
    const git = new OneFileRepository(sshTransport(options(fakeSsh('ssh-unrecorded'), { onHostKey: refuse })))
    expect(await reasonOf(git.listRefs(soon()))).toContain('cannot be recorded')
  })

  test('a malformed host key is refused at once', () => {
    for (const hostKey of ['', 'ssh-ed25519', 'ssh-ed25519 AAAA\npinned2 x', '* ssh-ed25519 AAAAAAAAAAAAAAAAAAAA']) {
      expect(() => sshTransport(options('ssh', { hostKey }))).toThrow('host key')
    }
  })

  test('arguments: nothing of the URL can become an option or leave its quotes', () => {
    const url = parseGitUrl("ssh://git@git.example.org:2222/a'b;id!.git") as SshOptions['url']
    const words = sshArguments(url, { knownHosts: '/t/known_hosts', keyFile: '/t/key' }, true, false)
    const separator = words.indexOf('--')
    expect(words.slice(separator)).toEqual(['--', 'git.example.org', `git-upload-pack '/a'\\''b;id'\\!'.git'`])
    expect(words.slice(0, 2)).toEqual(['-F', '/dev/null'])
    expect(words.slice(separator - 6, separator)).toEqual(['-i', '/t/key', '-p', '2222', '-l', 'git'])
    expect(words).toContain('IdentitiesOnly=yes')
    expect(words).toContain('BatchMode=yes')
    expect(words).toContain('SendEnv=GIT_PROTOCOL')
    const shell = Bun.spawnSync(['sh', '-c', `printf %s ${words.at(-1)?.slice('git-upload-pack '.length)}`])
    expect(shell.stdout.toString()).toBe("/a'b;id!.git")
  })

  test.skipIf(Bun.which('ssh') === null)('the real ssh takes these arguments', () => {
    const url = parseGitUrl('git@git.example.org:lib.git') as SshOptions['url']
    const words = sshArguments(url, { knownHosts: join(root, 'k'), keyFile: join(root, 'key') }, false, false)
    writeFileSync(join(root, 'key'), '')
    const run = Bun.spawnSync(['ssh', '-G', ...words])
    expect([run.stderr.toString(), run.exitCode]).toEqual(['', 0])
    const settings = run.stdout.toString()
    expect(settings).toContain('hostkeyalias pinned')
    expect(settings).toContain('stricthostkeychecking accept-new')
    expect(settings).toContain('hostname git.example.org')
  })
})

function script(name: string, body: string): string {
  const path = join(root, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

function isRunning(pid: string): boolean {
  const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : 'State:\tZ'
  return !/^State:\s+Z/m.test(status)
}
