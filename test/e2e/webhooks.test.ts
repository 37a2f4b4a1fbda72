import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation } from '../support/binary.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository, type TestGitRepository } from '../support/git-repository.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { library } from '../support/packages.ts'
import { fromGithub, NOTIFIERS } from '../support/webhooks.ts'

setDefaultTimeout(60_000)

const BASE_URL = 'https://packages.example.com'

let root: string
let git: GitServer
let gitea: GiteaDouble
let installation: Installation
let origin: TestGitRepository

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'package-broker-webhooks-'))
  gitea = new GiteaDouble()
  const { path } = gitea.add('lib')
  origin = createGitRepository(join(root, `${path}.git`), {
    commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })],
  })
  git = await startGitServer({ root })
  gitea.git = git.url
  installation = await Installation.create({ BASE_URL })
})

afterAll(async () => {
  await installation?.remove()
  await Promise.all([git?.stop(), gitea?.stop()])
  rmSync(root, { recursive: true, force: true })
})

/** Runs a command; fails with what it printed unless it ends as expected. */
async function run(args: string[], options: { stdin?: string; code?: number } = {}): Promise<string> {
  const { code = 0, ...input } = options
  const ended = await installation.run(args, input)
  expect({ args, ...ended, code: ended.code }).toMatchObject({ code })
  return code === 0 ? ended.stdout : ended.stderr
}

/** The secret that the host signs with, and the repository. */
async function added(): Promise<{ id: string; secret: string }> {
  const url = `${gitea.origin}${gitea.gitPath({ path: gitea.pathOf('lib') })}`
  const credential = ['--credential-type', 'token', '--credential-file', '-']
  const { id } = JSON.parse(
    await run(['repository', 'add', url, '--type', 'gitea', ...credential, '--json'], { stdin: gitea.token }),
  )
  const shown = await run(['repository', 'webhook', 'add', id])
  expect(shown).toContain(`url     ${BASE_URL}/webhooks/${id}\n`)
  expect(shown).not.toContain('secret')
  const [hook] = [...gitea.hooks.values()]
  expect(hook?.url).toBe(`${BASE_URL}/webhooks/${id}`)
  return { id, secret: hook?.secret ?? '' }
}

test('a command registers the webhook, a push is offered after it, and the webhook goes with its repository', async () => {
  const { id, secret } = await added()
  const server = await installation.serve()
  try {
    origin.commit(library('acme/lib', 'two', { tags: ['1.1.0'] }))
    const push = NOTIFIERS.find(({ name }) => name === 'Gitea')?.delivery({ secret })
    const response = await fetch(`${server.url}/webhooks/${id}`, { method: 'POST', ...push })
    expect({ status: response.status, body: await response.json() }).toEqual({
      status: 202,
      body: { status: 'queued' },
    })
    let versions = 0
    while (versions < 3) {
      const [row] = JSON.parse(await run(['repository', 'list', '--json']))
      versions = row.versions
    }
    expect(server.stdout).not.toContain(secret)
  } finally {
    await server.stop()
  }
  await run(['repository', 'remove', id])
  expect(gitea.hooks.size).toBe(0)
})

test('by hand: the secret is printed once, and what is signed with it is taken', async () => {
  const server = await installation.serve()
  try {
    const url = `${git.url}/${gitea.pathOf('lib')}.git`
    const { id } = JSON.parse(await run(['repository', 'add', url, '--json']))
    const shown = await run(['repository', 'webhook', 'add', id, '--by-hand'])
    const [, secret = ''] = /^secret {2}([\w-]{43})$/m.exec(shown) ?? []
    const deliver = () => fetch(`${server.url}/webhooks/${id}`, { method: 'POST', ...fromGithub({ secret }) })
    expect((await deliver()).status).toBe(202)
    expect(await run(['repository', 'webhook', 'add', id, '--json'])).toContain('"webhook_secret": null')
    expect(await run(['repository', 'webhook', 'remove', id])).toContain('not taken any more')
    expect((await deliver()).status).toBe(401)
    expect(await run(['repository', 'webhook', 'remove', id], { code: 1 })).toContain('has no webhook')
    expect(await run(['repository', 'webhook'], { code: 2 })).toContain('add or remove')
  } finally {
    await server.stop()
  }
})
