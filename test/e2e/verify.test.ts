import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { filesUnder, flipBit, rot } from '../support/damage.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { library } from '../support/packages.ts'
import { libraryZip } from '../support/zip-builder.ts'

setDefaultTimeout(90_000)

const KEY = 'an-administrator-token-for-the-tests-of-verify'

interface Check {
  name: string
  looked_at: number
  findings: { what: string; wrong: boolean; repaired: boolean }[]
}

describe.each(['while the server runs', 'without a server'])('verify and gc %s', (how) => {
  let root: string
  let git: GitServer
  let installation: Installation
  let server: RunningServer | null

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-verify-'))
    createGitRepository(join(root, 'lib.git'), {
      commits: [1, 2, 3].map((n) => library('acme/lib', `${n}`, { tags: [`1.0.${n}`] })),
    })
    git = await startGitServer({ root })
    installation = await Installation.create({ ADMIN_TOKEN: KEY, SCRUB_INTERVAL: '0' })
    server = await installation.serve()
    const api = new Management(server.url, KEY)
    await api.addRepository(`${git.url}/lib.git`, { archives: 'all' })
    const { id } = (await api.call('POST', '/api/repositories', { vcs_type: 'artifact' })) as { id: string }
    await fetch(`${server.url}/api/repositories/${id}/artifacts`, {
      method: 'PUT',
      body: libraryZip({ name: 'acme/built', version: '1.0.0' }),
      headers: { Authorization: `Bearer ${KEY}` },
    })
    if (how.startsWith('without')) {
      await server.stop()
      server = null
    }
  })

  afterAll(async () => {
    await installation?.remove()
    await git?.stop()
    rmSync(root, { recursive: true, force: true })
  })

  const archives = (folder: string) => join(installation.directory, 'data/archives', folder)
  const bytesOf = (paths: readonly string[]) => paths.map((path) => readFileSync(path))

  async function verify(...args: string[]): Promise<{ code: number; checks: Record<string, Check> }> {
    const { code, stdout, stderr } = await installation.run(['verify', ...args, '--json'])
    expect(stderr).toBe('')
    const checks = (JSON.parse(stdout) as Check[]).map((check) => [check.name, check])
    return { code, checks: Object.fromEntries(checks) }
  }

  async function gc(...args: string[]) {
    const { code, stdout } = await installation.run(['gc', ...args, '--json'])
    expect(code).toBe(0)
    return JSON.parse(stdout) as Record<'archives' | 'copies', { count: number; bytes: number }>
  }

  /** Downloads every version from a server, which is started for it where none runs. */
  async function downloads(): Promise<{ status: number; bytes: Buffer }[]> {
    const running = server ?? (await installation.serve())
    const answers = []
    for (const version of ['1.0.1', '1.0.2', '1.0.3']) {
      const response = await fetch(`${running.url}/dist/acme/lib/${version}.zip`, {
        headers: { Authorization: `Bearer ${KEY}` },
      })
      answers.push({ status: response.status, bytes: Buffer.from(await response.arrayBuffer()) })
    }
    if (server === null) await running.stop()
    return answers
  }

  test('sound data is in order', async () => {
    const { code, checks } = await verify()
    expect(code).toBe(0)
    expect(Object.values(checks).flatMap((check) => check.findings)).toEqual([])
    expect(checks.archives?.looked_at).toBe(4)
    expect(checks.audit?.looked_at).toBeGreaterThan(1)
    const { stdout } = await installation.run(['verify'])
    expect(stdout).toContain('archives: 4 checked, in order')
  })

  test('damaged archives are named, put aside by --repair, and right again for the next client', async () => {
    const [rotten = '', cut = '', gone = ''] = filesUnder(archives('git'))
    const right = (await downloads()).map(({ bytes }) => bytes.toString('hex')).sort()
    rot(rotten)
    truncateSync(cut, 30)
    rmSync(gone)
    const found = await verify()
    expect(found.code).toBe(1)
    expect(found.checks.archives?.findings.filter(({ wrong }) => wrong)).toHaveLength(2)
    // One that is not there is built when it is wanted; that is no fault.
    expect(found.checks.archives?.findings.filter(({ wrong }) => !wrong)).toHaveLength(1)
    const repaired = await verify('--repair')
    expect(repaired.code).toBe(0)
    expect(repaired.checks.archives?.findings.filter((finding) => finding.repaired)).toHaveLength(2)
    expect(existsSync(rotten)).toBe(false)
    const again = await downloads()
    expect(again.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(again.map(({ bytes }) => bytes.toString('hex')).sort()).toEqual(right)
    expect((await verify()).code).toBe(0)
  })

  test('a damaged upload cannot be repaired, and is not thrown away', async () => {
    const [upload = ''] = filesUnder(archives('uploads'))
    const right = readFileSync(upload)
    flipBit(upload)
    const repaired = await verify('--repair')
    expect(repaired.code).toBe(1)
    expect(repaired.checks.archives?.findings).toEqual([
      { what: expect.stringContaining('upload the same file again'), wrong: true, repaired: false },
    ])
    expect(existsSync(upload)).toBe(true)
    const backup = await installation.run(['backup', join(root, 'backup'), '--json'])
    expect(backup.code).toBe(1)
    expect(JSON.parse(backup.stdout)).toMatchObject({ lost: [expect.any(String)], archives: { total: 3 } })
    writeFileSync(upload, right)
    expect((await verify()).code).toBe(0)
  })

  test('gc removes what nothing names, and nothing else', async () => {
    const named = ['git', 'uploads'].flatMap((folder) => filesUnder(archives(folder)))
    const before = bytesOf(named)
    const [old, young] = ['a', 'b'].map((digit) => join(archives('git'), digit.repeat(2), `${digit.repeat(64)}.zip`))
    for (const path of [old, young]) {
      mkdirSync(join(path ?? '', '..'), { recursive: true })
      writeFileSync(path ?? '', 'x'.repeat(1_000))
    }
    // A named file is as old as the one that goes.
    for (const path of [old ?? '', ...named]) utimesSync(path, 1_000, 1_000)
    const copy = join(installation.directory, 'data/copy-999999999-0.db')
    writeFileSync(copy, 'x'.repeat(500))
    const counted = await gc('--dry-run')
    expect(counted).toMatchObject({ archives: { count: 1, bytes: 1_000 }, copies: { count: 1, bytes: 500 } })
    expect([old, young, copy].map((path) => existsSync(path ?? ''))).toEqual([true, true, true])
    const orphans = await verify()
    expect(orphans.code).toBe(0)
    expect(orphans.checks.orphans?.findings).toHaveLength(1)
    // That command tidied the copy of the database away.
    expect(await gc()).toMatchObject({ archives: { count: 1, bytes: 1_000 }, copies: { count: 0 } })
    expect([old, young, copy].map((path) => existsSync(path ?? ''))).toEqual([false, true, false])
    expect(await gc('--dry-run')).toMatchObject({ archives: { count: 0 } })
    expect(bytesOf(named)).toEqual(before)
  })
})
