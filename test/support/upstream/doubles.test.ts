import { afterEach, describe, expect, test } from 'bun:test'
import { ComposerProject, composerAvailable, type ProjectSpec } from '../composer-project.ts'
import { startMagento } from './magento.ts'
import type { UpstreamPackage } from './packages.ts'
import { startPackagist } from './packagist.ts'
import { startSatis } from './satis.ts'
import type { UpstreamServer } from './upstream-server.ts'

const PACKAGES: readonly UpstreamPackage[] = [
  { name: 'acme/base', versions: ['1.0.0', 'v1.1.0', '2.0.0-beta1', { version: 'dev-main', defaultBranch: true }] },
  { name: 'acme/lib', versions: ['1.0.0', { version: '1.2.0', manifest: { require: { 'acme/base': '^1.0' } } }] },
  {
    name: 'acme/all',
    type: 'metapackage',
    versions: [{ version: '1.0.0', manifest: { require: { 'acme/lib': '*' } } }],
  },
]

const open: (UpstreamServer | ComposerProject)[] = []

function opened<T extends UpstreamServer | ComposerProject>(each: T): T {
  open.push(each)
  return each
}

function project(spec: ProjectSpec): ComposerProject {
  return opened(ComposerProject.create(spec))
}

afterEach(async () => {
  for (const each of open.splice(0))
    await ('remove' in each && 'run' in each ? each.remove() : (each as UpstreamServer).stop())
})

const login = { kind: 'http_basic', username: 'key', password: 'secret' } as const

/** The composer.json sections that send `login`. */
function basic(url: string): Pick<ProjectSpec, 'auth'> {
  return { auth: { 'http-basic': { [new URL(url).host]: { username: login.username, password: login.password } } } }
}

describe.skipIf(!composerAvailable)('the real client against the doubles', () => {
  test('Packagist: updates, installs from the lock, and asks again only with dates', async () => {
    const packagist = opened(await startPackagist({ packages: PACKAGES }))
    const client = project({ repositories: [packagist.url], require: { 'acme/all': '^1.0' } })

    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(client.locked().map(({ name, version }) => `${name} ${version}`)).toEqual([
      'acme/all 1.0.0',
      'acme/base v1.1.0',
      'acme/lib 1.2.0',
    ])
    expect(client.read('vendor/acme/lib/src/Lib.php')).toContain("VERSION = '1.2.0'")
    expect(packagist.downloads.sort()).toEqual(['acme/all 1.0.0.0', 'acme/base 1.1.0.0', 'acme/lib 1.2.0.0'])

    packagist.log.clear()
    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(packagist.log.matching('/p2/').map(({ status }) => status)).toEqual([304, 304, 304])

    // Written as what differs from 1.2.0: `require` is gone.
    client.requires({ 'acme/lib': '1.0.0' })
    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(client.locked().map(({ name, version }) => `${name} ${version}`)).toEqual(['acme/lib 1.0.0'])

    client.requires({ 'acme/lib': '^1.0' })
    client.forget()
    packagist.publish('acme/lib', '1.3.0')
    expect(await client.run('install')).toMatchObject({ code: 0 })
    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(client.read('vendor/acme/lib/src/Lib.php')).toContain("VERSION = '1.3.0'")
  })

  test('Packagist: search, show, branches, advisories, abandoned packages', async () => {
    const packagist = opened(await startPackagist({ packages: PACKAGES }))
    packagist.setAbandoned('acme/base', 'acme/lib')
    const advisory = packagist.addAdvisory('acme/lib', { affectedVersions: '<1.2.1', cve: 'CVE-2024-0001' })
    const client = project({ repositories: [packagist.url], require: { 'acme/lib': '^1.0', 'acme/base': '1.*@dev' } })

    const update = await client.run('update')
    expect(update.output).toContain('Package acme/base is abandoned')
    expect(update.output).toContain('Found 1 security vulnerability advisory affecting 1 package')
    const audit = await client.run('audit', '--format=json', '--locked')
    expect(audit.code).not.toBe(0)
    expect(audit.output).toContain('CVE-2024-0001')
    expect(audit.output).toContain(advisory.title)
    expect(packagist.log.matching('/api/security-advisories/').map(({ method }) => method)).toContain('POST')

    expect((await client.run('search', 'acme')).output).toContain('acme/lib')
    expect((await client.run('search', '--only-name', 'base')).output).toContain('acme/base')
    expect((await client.run('show', '-a', 'acme/base')).output).toContain(
      'versions : 2.0.0-beta1, * v1.1.0, 1.0.0, dev-main',
    )
    client.requires({ 'acme/base': 'dev-main' })
    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(client.locked()[0]?.version).toBe('dev-main')
  })

  for (const archives of ['other', 'redirect'] as const) {
    test(`Packagist: archives on another host (${archives}), which sees no credentials`, async () => {
      const packagist = opened(await startPackagist({ packages: PACKAGES, archives, credentials: login }))
      const spec = { repositories: [packagist.url], require: { 'acme/lib': '^1.0' } }
      expect((await project(spec).run('update')).code).not.toBe(0)
      expect(await project({ ...spec, ...basic(packagist.url) }).run('update')).toMatchObject({ code: 0 })
      const seen = packagist.archiveServer?.log.requests ?? []
      expect(seen.map(({ status, authorization }) => [status, authorization])).toEqual([
        [200, undefined],
        [200, undefined],
      ])
    })
  }

  for (const form of ['inline', 'includes', 'providers', 'metadata'] as const) {
    test(`Satis, ${form}: requires login, installs with shasum, follows a build`, async () => {
      const satis = opened(await startSatis({ packages: PACKAGES, form, credentials: login, basePath: '/team' }))
      const spec = { repositories: [satis.repositoryUrl], require: { 'acme/all': '^1.0' } }
      expect((await project(spec).run('update')).code).not.toBe(0)

      const client = project({ ...spec, ...basic(satis.url) })
      expect(await client.run('update')).toMatchObject({ code: 0 })
      const lib = client.locked().find(({ name }) => name === 'acme/lib')
      expect(lib?.dist.shasum).toMatch(/^[0-9a-f]{40}$/)
      satis.publish('acme/lib', '1.3.0')
      expect(await client.run('update')).toMatchObject({ code: 0 })
      expect(client.read('vendor/acme/lib/src/Lib.php')).toContain("VERSION = '1.3.0'")
      expect(satis.log.matching('/p2/').length > 0).toBe(form === 'metadata')
      expect(satis.log.matching('/include/').length > 0).toBe(form === 'includes')
      expect(satis.log.matching('/p/acme/').length > 0).toBe(form === 'providers')
    })
  }

  test('Magento: reads lists and packages by their hash, installs without a reference', async () => {
    const magento = opened(await startMagento({ packages: PACKAGES, enterprise: ['acme/lib'], credentials: login }))
    const spec = { repositories: [magento.url], require: { 'acme/all': '^1.0' } }
    expect((await project(spec).run('update')).code).not.toBe(0)

    const client = project({ ...spec, ...basic(magento.url) })
    expect(await client.run('update')).toMatchObject({ code: 0 })
    const lib = client.locked().find(({ name }) => name === 'acme/lib')
    expect(lib?.dist.url).toBe(`${magento.url}/archives/acme/lib/acme-lib-1.2.0.0.zip`)
    expect(lib?.dist.shasum).toMatch(/^[0-9a-f]{40}$/)
    expect(lib?.dist).not.toHaveProperty('reference')
    const paths = magento.log.requests.filter(({ status }) => status === 200).map(({ path }) => path)
    expect(paths.filter((path) => /^\/p\/provider-[ce]e%24[0-9a-f]{64}\.json$/.test(path))).toHaveLength(2)
    expect(paths.filter((path) => /^\/p\/acme\/[a-z]+%24[0-9a-f]{64}\.json$/.test(path))).toHaveLength(3)
    magento.publish('acme/lib', '1.3.0')
    expect(await client.run('update')).toMatchObject({ code: 0 })
    expect(client.read('vendor/acme/lib/src/Lib.php')).toContain("VERSION = '1.3.0'")
  })

  test('keys of the root can be added and left out', async () => {
    const packagist = opened(
      await startPackagist({
        packages: PACKAGES,
        root: { warning: 'Moving on Monday', 'warning-versions': '*', list: undefined },
      }),
    )
    const client = project({ repositories: [packagist.url], require: { 'acme/base': '^1.0' } })
    expect((await client.run('update')).output).toContain('Moving on Monday')
    expect(await (await fetch(`${packagist.url}/packages.json`)).json()).not.toHaveProperty('list')
  })

  test('an archive with a wrong byte is refused where a shasum is given', async () => {
    const satis = opened(await startSatis({ packages: PACKAGES }))
    satis.faults.add({ path: '/dist/acme/base/', kind: 'wrong-bytes' })
    const client = project({ repositories: [satis.url], require: { 'acme/base': '^1.0' } })
    const update = await client.run('update')
    expect(update.code).not.toBe(0)
    expect(update.output).toContain('checksum verification of the file failed')
  })

  test('faults are what the client takes them for', async () => {
    const packagist = opened(await startPackagist({ packages: PACKAGES }))
    const outcome = async () => {
      packagist.log.clear()
      const client = project({ repositories: [packagist.url], require: { 'acme/base': '^1.0' } })
      const { code, output } = await client.run('update')
      return { code, output, metadata: packagist.log.matching('/p2/acme/base.json').length }
    }
    packagist.faults.add({ path: '/p2/acme/base.json', kind: 'status', status: 503, times: 2 })
    expect(await outcome()).toMatchObject({ code: 0, metadata: 3 })
    packagist.faults.clear()
    packagist.faults.add({ path: '/p2/acme/base.json', kind: 'status', status: 429, retryAfter: 1 })
    expect(await outcome()).toMatchObject({
      output: expect.stringContaining('could not be downloaded (HTTP/1.1 429 Too Many Requests)'),
      metadata: 1,
    })
    packagist.faults.clear()
    packagist.faults.add({ path: '/p2/acme/base.json', kind: 'invalid-json' })
    expect((await outcome()).output).toContain('does not contain valid JSON')
    packagist.faults.clear()
    packagist.faults.add({ path: '/zipball/', kind: 'cut' })
    expect((await outcome()).code).not.toBe(0)
    packagist.faults.clear()
    packagist.faults.add({ path: '/p2/acme/base', kind: 'status', status: 404, times: 1 })
    expect((await outcome()).code).toBe(2)
    expect((await outcome()).code).toBe(0)
  })
})
