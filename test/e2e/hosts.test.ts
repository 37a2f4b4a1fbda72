import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { ShownRepository } from '../support/broker.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { until } from '../support/discoveries.ts'
import type { TestGitRepository } from '../support/git-repository.ts'
import { BitbucketCloudDouble } from '../support/hosts/bitbucket-cloud-double.ts'
import { BitbucketDataCenterDouble } from '../support/hosts/bitbucket-data-center-double.ts'
import { GiteaDouble } from '../support/hosts/gitea-double.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { GitlabDouble } from '../support/hosts/gitlab-double.ts'
import type { DoubleRepository, HostDouble } from '../support/hosts/host-double.ts'
import { cloudFlow, executableFlow, type HostFlow } from '../support/hosts/host-flow.ts'
import type { HostedView } from '../support/hosts/host-stage.ts'
import { library } from '../support/packages.ts'
import { NOTIFIERS } from '../support/webhooks.ts'

setDefaultTimeout(90_000)

class GithubCloudDouble extends GithubDouble {
  override readonly site: string = 'https://github.com'
}
class GitlabCloudDouble extends GitlabDouble {
  override readonly site: string = 'https://gitlab.com'
}

/** Each host, the user that its git wants beside a token, and how it notifies. */
const HOSTS: readonly (readonly [
  string,
  () => HostDouble,
  (double: HostDouble) => Promise<HostFlow>,
  string,
  string,
])[] = [
  ['GitHub Enterprise Server', () => new GithubDouble(), executableFlow, 'x-access-token', 'GitHub'],
  ['github.com', () => new GithubCloudDouble(), cloudFlow, 'x-access-token', 'GitHub with a form'],
  ['GitLab, self-managed', () => new GitlabDouble(), executableFlow, 'oauth2', 'GitLab with a token'],
  ['gitlab.com', () => new GitlabCloudDouble(), cloudFlow, 'oauth2', 'GitLab with a signing token'],
  ['Gitea', () => new GiteaDouble(), executableFlow, 'oauth2', 'Gitea'],
  [
    'Bitbucket Data Center',
    () => new BitbucketDataCenterDouble(),
    executableFlow,
    'x-token-auth',
    'Bitbucket Data Center',
  ],
  ['Bitbucket Cloud', () => new BitbucketCloudDouble(), cloudFlow, 'x-token-auth', 'Bitbucket Cloud'],
]

describe.skipIf(!composerAvailable).each(HOSTS)('from %s to composer install', (_, make, start, gitUser, name) => {
  const notifier = NOTIFIERS.find((each) => each.name === name)
  let flow: HostFlow
  let hosted: DoubleRepository
  let source: TestGitRepository
  let repository: ShownRepository
  let project: ComposerProject

  beforeAll(async () => {
    flow = await start(make())
    const made = flow.repository('lib', {
      commits: [
        library('acme/lib', 'v1.0.0', { annotatedTags: ['v1.0.0'] }),
        library('acme/lib', 'v1.1.0', { tags: ['v1.1.0'] }),
        library('acme/lib', 'main'),
      ],
    })
    hosted = made.hosted
    source = made.source
    repository = await flow.add(hosted)
    project = ComposerProject.create({
      repositories: [flow.url],
      tokens: { [flow.url]: await flow.api.token({ allowed_package_prefixes: ['acme/'] }) },
    })
  })
  afterAll(async () => {
    project?.remove()
    await flow?.stop()
  })

  async function run(...args: string[]): Promise<string> {
    const { code, output } = await project.run(...args)
    expect({ code, output }).toMatchObject({ code: 0 })
    return output
  }

  /** What the host sends to where it was told to; the status of the answer. */
  async function notify(secret: string, facts = false): Promise<number> {
    const [hook] = [...flow.double.hooks.values()]
    const { headers = {}, body = '' } = notifier?.delivery({ secret, facts }) ?? {}
    return (await fetch(hook?.url ?? '', { method: 'POST', headers, body })).status
  }

  test('the credential opens the API and git, each in its way', () => {
    expect(repository).toMatchObject({ status: 'active', versions: 3, issues: [] })
    expect([...new Set(flow.double.gitCredentials)]).toEqual([`${gitUser}:${flow.double.token}`])
    expect(flow.double.seen.length).toBeGreaterThan(0)
  })

  test('a release is installed', async () => {
    await run('require', 'acme/lib:^1.0')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.1.0')
    expect(project.locked()[0]).toMatchObject({ version: 'v1.1.0', dist: { reference: source.resolve('v1.1.0') } })
    expect(project.read('composer.lock')).not.toContain(flow.double.token)
  })

  test('a branch is installed, and again from the lock file with nothing cached', async () => {
    project.requires({ 'acme/lib': 'dev-main' })
    await run('update')
    project.forget()
    await run('install')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('main')
    expect(project.locked()[0]).toMatchObject({ version: 'dev-main', dist: { reference: source.resolve('main') } })
  })

  test('a release that the registered webhook tells of is installed, and one that nobody signed tells of nothing', async () => {
    source.commit(library('acme/lib', 'v1.2.0', { tags: ['v1.2.0'] }))
    await flow.api.call('POST', `/api/repositories/${repository.id}/webhook`)
    const [hook] = [...flow.double.hooks.values()]
    expect(await notify((hook?.secret ?? '').replace(/..$/, '00'))).toBe(401)
    expect(await notify(hook?.secret ?? '')).toBe(202)
    await flow.until(repository.id, ({ versions }) => versions === 4)
    project.requires({ 'acme/lib': '^1.2' })
    await run('update')
    expect(project.read('vendor/acme/lib/src/Lib.php')).toContain('v1.2.0')
  })

  test('what else the owner has is found, added, and installed', async () => {
    for (const name of ['tool', 'extra']) {
      const files = library(`acme/${name}`, `${name} one`, { tags: ['1.0.0'] })
      flow.repository(name, { commits: [files] })
    }
    flow.repository('site', { commits: [{ files: { 'README.md': '# Site' } }] })
    const found = await flow.discover()
    expect(found).toMatchObject({ status: 'active', error_code: null, found: 4, failed: 0, gone: 0 })
    expect(found.added).toBeGreaterThanOrEqual(2)
    const ids = (await flow.api.call('GET', '/api/repositories')) as ShownRepository[]
    for (const { id } of ids) await flow.until(id, ({ status }) => status === 'active')
    project.requires({ 'acme/lib': '^1.2', 'acme/tool': '^1.0', 'acme/extra': '^1.0' })
    await run('update')
    expect(project.read('vendor/acme/tool/src/Lib.php')).toContain('tool one')
    expect(project.read('vendor/acme/extra/src/Lib.php')).toContain('extra one')
  })

  test('what is archived at the host is abandoned to composer', async () => {
    hosted.archived = true
    const [hook] = [...flow.double.hooks.values()]
    expect(await notify(hook?.secret ?? '', true)).toBe(202)
    const asked = (view: ShownRepository) => (view as HostedView).host?.archived === flow.double.archives
    await flow.until(repository.id, asked)
    const output = await run('update')
    expect(output.includes('Package acme/lib is abandoned')).toBe(flow.double.archives)
    expect(output).not.toContain('Package acme/tool is abandoned')
  })

  test('while the host refuses everything, what is known is installed', async () => {
    flow.double.instead = () => new Response('', { status: 503 })
    const { git } = flow.double
    flow.double.git = null
    try {
      const failed = await flow.api.sync(repository.id)
      expect(failed).toMatchObject({ status: 'error', versions: 4 })
      project.forget()
      await run('install')
    } finally {
      flow.double.instead = null
      flow.double.git = git
    }
    expect(await flow.api.sync(repository.id)).toMatchObject({ status: 'active' })
  })

  test('the webhook goes with the repository', async () => {
    await flow.api.call('DELETE', `/api/repositories/${repository.id}`)
    await until(
      () => flow.double.hooks.size,
      (left) => left === 0,
    )
  })
})
