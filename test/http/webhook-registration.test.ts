import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createGitRepository } from '../support/git-repository.ts'
import { BitbucketCloudDouble } from '../support/hosts/bitbucket-cloud-double.ts'
import { BitbucketDataCenterDouble } from '../support/hosts/bitbucket-data-center-double.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { GitlabDouble } from '../support/hosts/gitlab-double.ts'
import { type HostDouble, json } from '../support/hosts/host-double.ts'
import { HostStage } from '../support/hosts/host-stage.ts'
import { library } from '../support/packages.ts'
import { deliver, fromGithub, NOTIFIERS } from '../support/webhooks.ts'

setDefaultTimeout(60_000)

const HOSTS: readonly (readonly [name: string, new () => HostDouble])[] = [
  ['GitHub', GithubDouble],
  ['GitLab with a token', GitlabDouble],
  ['Gitea', GiteaDouble],
  ['Bitbucket Cloud', BitbucketCloudDouble],
  ['Bitbucket Data Center', BitbucketDataCenterDouble],
]
const ORIGIN = 'http://packages.example.com'

interface Webhook {
  id: string
  webhook_url: string | null
  webhook_secret: string | null
  webhook_registered: boolean
  message: string
  error: string
  removed_at_host: boolean
}

/** A host with the program, and what tests ask of the webhook of one repository. */
class Hooks {
  private constructor(
    readonly stage: HostStage,
    readonly id: string,
  ) {}

  private static made = 0

  static async of(stage: HostStage): Promise<Hooks> {
    Hooks.made += 1
    const name = `lib-${Hooks.made}`
    const { hosted } = stage.repository(name, { commits: [library(`acme/${name}`, 'one', { tags: ['1.0.0'] })] })
    const response = await stage.app.ask('/api/repositories', { json: stage.body(hosted) })
    const { id } = (await response.json()) as { id: string }
    await stage.app.synced(id)
    return new Hooks(stage, id)
  }

  async ask(method: string, path = '/webhook', body?: object) {
    const headers = { Host: 'packages.example.com' }
    const request = body === undefined ? { method, headers } : { method, headers, json: body }
    const response = await this.stage.app.ask(`/api/repositories/${this.id}${path}`, request)
    return { status: response.status, body: (await response.json()) as Webhook }
  }

  async shown() {
    return (await this.ask('GET', '')).body as unknown as Record<string, unknown>
  }

  /** What the host would sign with, and where it would send it. */
  hook(): { url: string; secret: string } {
    const all = [...this.stage.double.hooks.values()]
    return all.find(({ url }) => url.endsWith(this.id)) ?? { url: '', secret: '' }
  }

  async gone(): Promise<void> {
    while (this.hook().url !== '') await Bun.sleep(5)
  }

  async logged(text: string): Promise<string> {
    for (;;) {
      const line = this.stage.app.logged.find((each) => each.includes(text) && each.includes(this.id))
      if (line !== undefined) return line
      await Bun.sleep(5)
    }
  }
}

describe.each([...HOSTS])('a webhook at %s', (name, Double) => {
  let stage: HostStage
  let hooks: Hooks

  beforeAll(async () => {
    stage = await HostStage.start(new Double())
  })
  afterAll(() => stage?.stop())
  beforeEach(async () => {
    stage.double.instead = null
    hooks = await Hooks.of(stage)
  })

  test('is registered with a secret that nobody is shown, and what the host signs with it is taken', async () => {
    const { status, body } = await hooks.ask('POST')
    const url = `${ORIGIN}/webhooks/${hooks.id}`
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { id: hooks.id, webhook_url: url, webhook_secret: null, webhook_registered: true },
    })
    const { secret, ...hook } = hooks.hook()
    expect(hook).toMatchObject({ url })
    expect(secret).toMatch(/^[\w-]{43}$/)
    expect(await hooks.shown()).toMatchObject({ webhook_url: url, webhook_registered: true, has_webhook_secret: true })
    const push = NOTIFIERS.find((each) => each.name === name)?.delivery({ secret }) ?? { headers: {}, body: '' }
    expect((await deliver(stage.app, hooks.id, push)).status).toBe(202)
    const audit = await (await stage.app.ask(`/api/audit?subject=${hooks.id}`)).text()
    expect(audit).toContain('"webhook_registered":true')
    for (const text of [audit, stage.app.logged.join('\n'), JSON.stringify(await hooks.shown())]) {
      expect(text).not.toContain(secret)
    }
    expect((await hooks.ask('POST')).status).toBe(409)
    const changed = await hooks.ask('PATCH', '', { webhook_secret: 'another-secret-0' })
    expect({ status: changed.status, error: changed.body.error }).toMatchObject({
      status: 400,
      error: expect.stringContaining('registered'),
    })
  })

  test('goes with DELETE, and with its repository', async () => {
    await hooks.ask('POST')
    const { secret } = hooks.hook()
    expect(await hooks.ask('DELETE')).toMatchObject({ status: 200, body: { removed_at_host: true } })
    expect(hooks.hook().url).toBe('')
    expect(await hooks.shown()).toMatchObject({ webhook_url: null, webhook_registered: false })
    const push = NOTIFIERS.find((each) => each.name === name)?.delivery({ secret }) ?? { headers: {}, body: '' }
    expect((await deliver(stage.app, hooks.id, push)).status).toBe(401)
    expect((await hooks.ask('DELETE')).status).toBe(404)
    await hooks.ask('POST')
    expect(hooks.hook().url).not.toBe('')
    expect((await hooks.ask('DELETE', '')).status).toBe(200)
    await hooks.gone()
  })

  test('is refused with the permission that is missing and a way by hand, and leaves nothing', async () => {
    const { double } = stage
    double.instead = ({ method }) => (method === 'POST' ? double.refusals.weakToken() : null)
    const { status, body } = await hooks.ask('POST')
    expect({ status, error: body.error }).toMatchObject({ status: 409, error: expect.stringContaining('by hand') })
    expect(body.error).toMatch(/need/)
    expect(await hooks.shown()).toMatchObject({ has_webhook_secret: false, webhook_registered: false })
    const byHand = await hooks.ask('POST', '/webhook', { register: false })
    expect(byHand).toMatchObject({
      status: 201,
      body: { webhook_secret: expect.stringMatching(/^[\w-]{43}$/), webhook_registered: false },
    })
    expect((await hooks.ask('POST', '/webhook', { register: false })).body.webhook_secret).toBeNull()
  })
})

describe('whatever the host', () => {
  let stage: HostStage
  let hooks: Hooks

  beforeAll(async () => {
    stage = await HostStage.start(new GithubDouble())
  })
  afterAll(() => stage?.stop())
  beforeEach(async () => {
    stage.double.instead = null
    hooks = await Hooks.of(stage)
  })

  test('one that cannot be reached is 502, one that limits says how long', async () => {
    stage.double.instead = ({ method }) => (method === 'POST' ? json({ message: 'down' }, 502) : null)
    expect((await hooks.ask('POST')).status).toBe(502)
    stage.double.instead = ({ method }) => (method === 'POST' ? stage.double.refusals.limited(60) : null)
    expect((await hooks.ask('POST')).status).toBe(502)
    expect(await hooks.shown()).toMatchObject({ has_webhook_secret: false })
  })

  test('one that refuses to remove it holds nothing up; the log says what is left', async () => {
    await hooks.ask('POST')
    stage.double.instead = ({ method }) => (method === 'DELETE' ? json({ message: 'down' }, 502) : null)
    expect((await hooks.ask('DELETE', '')).status).toBe(200)
    const line = await hooks.logged('a webhook is left at its host')
    expect(JSON.parse(line)).toMatchObject({ repository: hooks.id, webhook: expect.any(String) })
    const other = await Hooks.of(stage)
    await other.ask('POST')
    expect(await other.ask('DELETE')).toMatchObject({ status: 200, body: { removed_at_host: false } })
    expect(await other.shown()).toMatchObject({ webhook_registered: false, has_webhook_secret: false })
  })

  test('moved to another repository it is removed from the old one; another spelling keeps it', async () => {
    await hooks.ask('POST')
    const { url } = await hooks.shown()
    const again = { credential_type: 'token', auth_credentials: stage.double.token }
    expect((await hooks.ask('PATCH', '', { url: String(url).replace(/\.git$/, ''), ...again })).status).toBe(200)
    expect(await hooks.shown()).toMatchObject({ webhook_registered: true })
    const { hosted } = stage.repository('elsewhere', { commits: [library('acme/elsewhere', 'one')] })
    expect((await hooks.ask('PATCH', '', { url: stage.url(hosted), ...again })).status).toBe(200)
    expect(await hooks.shown()).toMatchObject({ webhook_registered: false, has_webhook_secret: true })
    await hooks.gone()
  })

  test('commands without BASE_URL are told that no host finds them', async () => {
    const response = await stage.app.ask(`/api/repositories/${hooks.id}/webhook`, { method: 'POST' })
    expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
      status: 409,
      error: expect.stringContaining('BASE_URL'),
    })
  })

  test('a plain git repository is answered with what to paste; upstreams and uploads have none', async () => {
    createGitRepository(stage.app.path('plain.git'), { commits: [library('acme/plain', 'one')] })
    const plain = await stage.app.addRepository(stage.app.path('plain.git'))
    const ask = (id: string) =>
      stage.app.ask(`/api/repositories/${id}/webhook`, { method: 'POST', headers: { Host: 'packages.example.com' } })
    const body = (await (await ask(plain.id)).json()) as Webhook
    expect(body).toMatchObject({ webhook_url: `${ORIGIN}/webhooks/${plain.id}`, webhook_registered: false })
    const push = fromGithub({ secret: body.webhook_secret ?? '' })
    expect((await deliver(stage.app, plain.id, push)).status).toBe(202)
    const uploads = await stage.app.addRepository('uploads', { vcs_type: 'artifact' })
    expect((await ask(uploads.id)).status).toBe(409)
  })
})
