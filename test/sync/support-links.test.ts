import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { DOUBLES } from '../support/hosts/doubles.ts'
import type { DoubleRepository } from '../support/hosts/host-double.ts'
import { type HostedView, HostStage } from '../support/hosts/host-stage.ts'
import { libraryFiles } from '../support/packages.ts'

setDefaultTimeout(30_000)

/** Pages of a tag and of a branch, below that of the repository, as Composer's driver of the host names them. */
const PAGES: Readonly<Record<string, { tag: string; branch: string; issues: string | undefined }>> = {
  GithubDouble: { tag: '/tree/v1.0.0', branch: '/tree/feature/x', issues: '/issues' },
  GitlabDouble: { tag: '/-/tree/v1.0.0', branch: '/-/tree/feature/x', issues: '/-/issues' },
  GiteaDouble: { tag: '/src/tag/v1.0.0', branch: '/src/branch/feature/x', issues: '/issues' },
  BitbucketCloudDouble: { tag: '/src/COMMIT/?at=v1.0.0', branch: '/src/COMMIT/?at=feature/x', issues: '/issues' },
  BitbucketDataCenterDouble: {
    tag: '/browse?at=refs%2Ftags%2Fv1.0.0',
    branch: '/browse?at=refs%2Fheads%2Ffeature%2Fx',
    issues: undefined,
  },
}

interface Entry {
  support?: Record<string, string>
  dist: { reference: string }
}

let count = 0

for (const Double of DOUBLES) {
  describe(`support of packages at ${Double.name}`, () => {
    const pages = PAGES[Double.name]
    let stage: HostStage
    let hosted: DoubleRepository
    let name: string
    let added: HostedView

    beforeAll(async () => {
      stage = await HostStage.start(new Double())
    })
    afterAll(() => stage?.stop())
    beforeEach(() => {
      count += 1
      name = `acme/lib-${count}`
    })

    async function add(facts: Partial<DoubleRepository>, manifest: Record<string, unknown> = {}, spec = {}) {
      const commits = [
        { files: libraryFiles(name, 'one', manifest), tags: ['v1.0.0'] },
        { files: libraryFiles(name, 'two', manifest), branch: 'feature/x' },
      ]
      hosted = stage.repository(`lib-${count}`, { commits }, facts).hosted
      added = await stage.add(hosted, spec)
    }

    async function entry(version: string): Promise<Entry & { modified: string | null; page: string }> {
      const file = version.startsWith('dev-') ? `${name}~dev` : name
      const response = await stage.app.ask(`/p2/${file}.json`)
      const body = (await response.json()) as { packages: Record<string, Record<string, Entry>> }
      const found = body.packages[name]?.[version]
      if (!found) throw new Error(`there is no ${version}: ${JSON.stringify(body)}`)
      return { ...found, modified: response.headers.get('last-modified'), page: String(added.host?.web_url) }
    }

    const link = (end: string | undefined, found: Entry & { page: string }) =>
      end === undefined ? undefined : found.page + end.replace('COMMIT', found.dist.reference)

    test('is filled in with its pages', async () => {
      await add({ private: false })
      const tag = await entry('v1.0.0')
      const expected = { source: link(pages?.tag, tag), issues: link(pages?.issues, tag) }
      expect(tag.support).toEqual(JSON.parse(JSON.stringify(expected)))
      const branch = await entry('dev-feature/x')
      expect(branch.support?.source).toBe(link(pages?.branch, branch) ?? '')
    })

    test('stays as composer.json has it, and is completed', async () => {
      await add(
        { private: false },
        { support: { email: 'a@example.org', source: 'https://example.org/s', issues: null } },
      )
      const found = await entry('v1.0.0')
      expect(found.support).toMatchObject({ email: 'a@example.org', source: 'https://example.org/s' })
      expect(found.support?.issues ?? undefined).toBe(link(pages?.issues, found))
    })

    test('names nothing of a private repository, unless its source is exposed', async () => {
      await add({ private: true })
      const hidden = await entry('v1.0.0')
      expect(hidden.support).toBeUndefined()
      stage.app.clock.now += 10
      const path = `/api/repositories/${added.id}`
      await stage.app.ask(path, { method: 'PATCH', json: { expose_source: true } })
      const exposed = await entry('v1.0.0')
      expect(exposed.support?.source).toBe(link(pages?.tag, exposed) ?? '')
      expect(exposed.modified).not.toBe(hidden.modified)
    })

    test('follows what the host says, and documents are dated anew exactly then', async () => {
      await add({ private: false })
      const before = await entry('v1.0.0')
      hosted.description = 'Another one'
      await stage.syncAfter(30, added)
      expect(await entry('v1.0.0')).toEqual(before)
      hosted.private = true
      await stage.syncAfter(30, added)
      const after = await entry('v1.0.0')
      expect(after.support).toBeUndefined()
      expect(after.modified).not.toBe(before.modified)
    })
  })
}
