import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { composerVersions, oracleAvailable } from '../support/composer-oracle.ts'
import { manifest, SyncStage, simple } from './support.ts'

let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open()
})
afterAll(() => stage.close())

const AWKWARD_TAGS = [
  ...['v1.0.0', '1.0.0', '1.0', 'release-2.0.0', '2.1-release-3', '3.0.0-beta1', '3.0.0-rc.1', 'v3.0.0-alpha.2'],
  ...['1.0.0-dev', 'dev-foo', 'master', '2024.01.05', '20240105', '100000', '1.2.3.4.5', '1.0.0+build', '1.2.0+b1'],
  ...['latest', '4.0.0-p1', 'V5.0.0', 'foo/1.0', '1.x-dev', '6.0.0-SNAPSHOT', '07.1'],
]
const AWKWARD_BRANCHES = ['1.0', '2', '2.x', 'feature/x', 'foo#bar', 'a,b', '1.x-dev', 'trunk', 'v4.0.0', 'feature-1.0']

describe('the first sync', () => {
  test.if(oracleAvailable)('finds what Composer finds in an awkward repository', async () => {
    const repository = stage.repository('awkward', {
      commits: [
        { files: { 'composer.json': manifest('old/name') }, tags: ['0.1.0'] },
        { files: { 'composer.json': '{"name": broken' }, tags: ['0.2.0'] },
        { files: { 'composer.json': null, readme: 'nothing' }, tags: ['0.3.0'] },
        { files: { 'composer.json': manifest('acme/lib', { version: '9.9.9' }) }, tags: ['0.4.0'] },
        { files: { 'composer.json': manifest('acme/lib', { version: '0.5.0' }) }, annotatedTags: ['0.5.0'] },
        { files: { 'composer.json': manifest('Acme/Lib', { time: '2020-02-03 04:05:06' }) }, tags: AWKWARD_TAGS },
        ...AWKWARD_BRANCHES.map((branch) => ({
          branch,
          from: 'main',
          files: { 'composer.json': manifest(`other/${branch.length}`) },
        })),
        { files: { 'composer.json': '[]' }, branch: 'no-object', from: 'main' },
      ],
    })
    const id = await stage.add('awkward')
    expect(await stage.sync(id)).toMatchObject({ status: 'active', errorCode: null, defaultBranch: 'main' })
    const oracle = await composerVersions(repository.path)
    // Composer lists a version twice that two branches mean; the first counts. Later ones write + for # in a branch.
    const plus = (text: string) => text.replace('#', '+')
    const expected = new Map(oracle.reverse().map((entry) => [plus(entry.version_normalized), entry]))
    const stored = await stage.stored(id)
    expect(stored.map((row) => row.versionNormalized).sort()).toEqual([...expected.keys()].sort())
    for (const row of stored) {
      const entry = expected.get(row.versionNormalized)
      expect([row.name, row.version, row.reference, row.defaultBranch, row.releasedAt]).toEqual([
        entry?.name.toLowerCase() ?? '',
        plus(entry?.version ?? ''),
        entry?.reference ?? '',
        entry?.['default-branch'] ?? '',
        entry?.time ?? -1,
      ])
    }
    const issues = await stage.issues(id)
    expect(Object.keys(issues)).toContain('refs/tags/0.2.0')
    expect(issues['refs/tags/0.3.0']).toContain('no composer.json')
    expect(issues['refs/tags/0.4.0']).toContain('9.9.9')
    expect(stored.length + Object.keys(issues).length).toBe(repository.git(['for-each-ref']).split('\n').length)
  })

  test('says why refs are skipped, and offers the others', async () => {
    const repository = stage.repository('partly', {
      commits: [
        { files: { 'composer.json': manifest('acme/partly') }, tags: ['1.0.0'] },
        { files: { 'composer.json': `{"name":"acme/partly","x":"${'x'.repeat(1_100_000)}"}` }, tags: ['1.1.0'] },
        { files: { 'composer.json': Buffer.from('{"name":"acme/partly","d":"\xff"}', 'latin1') }, tags: ['1.2.0'] },
        { files: { 'composer.json': '{"name":"acme/partly"}\0' }, tags: ['1.3.0'] },
        { files: { 'composer.json': manifest('not a name') }, branch: 'odd' },
        { files: { 'composer.json': manifest('acme/partly') } },
      ],
    })
    repository.tag('tree', `${repository.resolve('main')}^{tree}`)
    repository.tag('2.0.0', `${repository.resolve('main')}^{tree}`)
    const id = await stage.add('partly')
    expect((await stage.sync(id)).status).toBe('active')
    expect(await stage.offered(id)).toEqual(['acme/partly 1.0.0', 'acme/partly dev-main', 'acme/partly dev-odd'])
    const issues = await stage.issues(id)
    expect(Object.keys(issues)).toEqual(['1.1.0', '1.2.0', '1.3.0', '2.0.0', 'tree'].map((tag) => `refs/tags/${tag}`))
    expect(issues['refs/tags/1.1.0']).toContain('1 MiB')
    expect(issues['refs/tags/1.2.0']).toContain('UTF-8')
    expect(issues['refs/tags/1.3.0']).toContain('NUL')
  })

  test('gets over names that are no UTF-8, also when they look alike', async () => {
    const repository = stage.repository('latin', simple('acme/latin'))
    const commit = repository.resolve('main')
    repository.gitBytes(['pack-refs', '--all'])
    const { appendFileSync } = await import('node:fs')
    for (const letter of ['\xe4', '\xf6']) {
      appendFileSync(`${repository.path}/packed-refs`, Buffer.from(`${commit} refs/tags/z${letter}\n`, 'latin1'))
    }
    const id = await stage.add('latin')
    expect(await stage.sync(id)).toMatchObject({ status: 'active', errorCode: null })
    expect(Object.values(await stage.issues(id))).toEqual(['The name is not in UTF-8.'])
    expect(await stage.offered(id)).toHaveLength(3)
  })

  test('has no packages where there is no composer.json, and says so until there is one', async () => {
    const repository = stage.repository('bare', { commits: [{ files: { readme: 'x' }, tags: ['1.0.0'] }] })
    const id = await stage.add('bare')
    const errorMessage =
      'It has no packages: none of its 2 tags and branches is a version: There is no composer.json. If it lies in another directory, composer_json_paths names that one.'
    const expected = { status: 'error', errorCode: 'no_packages', errorMessage } as const
    expect(await stage.sync(id)).toMatchObject(expected)
    expect(await stage.sync(id)).toMatchObject(expected)
    stage.fault = () => new Response('no', { status: 500 })
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'unreachable', failures: 1 })
    stage.fault = null
    expect(await stage.sync(id)).toMatchObject({ ...expected, failures: 0 })
    repository.commit({ files: { 'composer.json': manifest('acme/bare') } })
    expect(await stage.sync(id)).toMatchObject({ status: 'active', errorCode: null, errorMessage: null })
  })

  test('of an empty repository is no_packages, not an error of the server', async () => {
    stage.repository('empty', { commits: [] })
    const id = await stage.add('empty')
    const errorMessage = 'It has no packages: it is empty, without a tag or branch.'
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'no_packages', errorMessage })
  })

  test('names what is wrong with the default branch where reasons differ', async () => {
    const branches = ['next', 'main'].map((branch) => ({
      branch,
      files: { 'composer.json': branch === 'main' ? '{"type":"library"}' : '{' },
    }))
    stage.repository('nameless', { commits: branches })
    const id = await stage.add('nameless')
    const errorMessage =
      'It has no packages: refs/heads/main: composer.json has no name. See the issues of the other tags and branches.'
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'no_packages', errorMessage })
  })

  test.each(['any', 'github', 'none'] as const)('is the same with filters: %s', async (filters) => {
    const { startGitServer } = await import('../support/git-http-server.ts')
    stage.repository(`filters-${filters}`, simple('acme/filters'))
    const server = await startGitServer({ root: stage.directory, filters })
    const id = await stage.add('x', { url: `${server.url}/filters-${filters}.git` })
    expect((await stage.sync(id)).status).toBe('active')
    expect(await stage.offered(id)).toEqual(['acme/filters dev-main', 'acme/filters v1.0.0', 'acme/filters v1.1.0'])
    await server.stop()
    await stage.store.repositories.delete(id, stage.now)
  })

  test('package_filter leaves the others out, and lets them in when it changes', async () => {
    const branches = ['one', 'two'].map((name) => ({
      branch: name,
      files: { 'composer.json': manifest(`acme/${name}`) },
    }))
    stage.repository('several', { commits: branches, head: 'none' })
    const id = await stage.add('several', { packageFilter: 'other/*, ACME/t*' })
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/two dev-two'])
    expect((await stage.issues(id))['refs/heads/one']).toContain('package_filter')
    await stage.store.repositories.update(id, { packageFilter: null }, stage.now)
    await stage.sync(id)
    expect(await stage.offered(id)).toEqual(['acme/one dev-one', 'acme/two dev-two'])
    await stage.store.repositories.update(id, { packageFilter: 'acme/none' }, stage.now)
    expect(await stage.sync(id)).toMatchObject({ status: 'error', errorCode: 'no_packages' })
    expect(await stage.offered(id)).toEqual([])
  })
})
