import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { TestApp } from '../support/app.ts'
import { filesUnder, rot } from '../support/damage.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { library } from '../support/packages.ts'
import { libraryZip } from '../support/zip-builder.ts'

const VERSIONS = Array.from({ length: 40 }, (_, at) => `1.0.${at}`)

describe('scrubbing', () => {
  let app: TestApp
  const right = new Map<string, string>()

  beforeAll(async () => {
    app = await TestApp.start({ SCRUB_INTERVAL: '100' })
    createGitRepository(app.path('lib.git'), {
      commits: VERSIONS.map((version) => library('acme/lib', version, { tags: [version] })),
    })
    await app.addRepository(app.path('lib.git'), { archives: 'all' })
    const created = await app.ask('/api/repositories', { json: { vcs_type: 'artifact' } })
    const { id } = (await created.json()) as { id: string }
    const body = libraryZip({ name: 'acme/built', version: '1.0.0' })
    expect((await app.ask(`/api/repositories/${id}/artifacts`, { method: 'PUT', body })).status).toBe(201)
    for (const version of VERSIONS) right.set(version, (await download('acme/lib', version)).text)
  })

  afterAll(() => app?.stop())

  async function download(name: string, version: string): Promise<{ status: number; text: string }> {
    const response = await app.ask(`/dist/${name}/${version}.zip`)
    return { status: response.status, text: Buffer.from(await response.arrayBuffer()).toString('hex') }
  }

  const archives = (folder: string) => filesUnder(join(app.app.config.archiveDir, folder))
  const passes = () => app.logged.filter((line) => line.includes('archives scrubbed')).map((line) => JSON.parse(line))

  /** Lets time pass until one more pass is over. */
  async function scrubbed(): Promise<Record<string, unknown>> {
    const before = passes().length
    while (passes().length === before) {
      app.clock.now += 20
      await Bun.sleep(5)
    }
    return passes().at(-1)
  }

  test('every damaged archive is found and put aside, and no other', async () => {
    const damaged = archives('git').filter((_, at) => at % 4 === 0)
    for (const path of damaged) rot(path)
    await app.listen()
    expect(await scrubbed()).toMatchObject({ archives: 41, corrupt: 10 })
    expect(app.app.scrubCounts()).toMatchObject({ corrupt: 10, passes: 1, archives: 41 })
    const quarantined = archives('quarantine').map((path) => path.slice(-68))
    expect(quarantined).toEqual(damaged.map((path) => path.slice(-68)))
    const told = app.logged.filter((line) => line.includes('archive store: corrupt'))
    expect(told).toHaveLength(10)
    expect(JSON.parse(told[0] ?? '')).toMatchObject({ level: 'error', sha256: expect.any(String) })
  })

  test('the next client gets the right bytes, built again', async () => {
    for (const version of VERSIONS) {
      expect(await download('acme/lib', version)).toEqual({ status: 200, text: right.get(version) ?? '' })
    }
    expect(await scrubbed()).toMatchObject({ archives: 41, corrupt: 0 })
  })

  test('what cannot be made again is refused, and never wrong bytes', async () => {
    const [upload = ''] = archives('uploads')
    const [built = ''] = archives('git')
    rot(upload)
    rot(built)
    // The source has other commits now.
    rmSync(app.path('lib.git'), { recursive: true })
    createGitRepository(app.path('lib.git'), { commits: [library('acme/lib', 'other', { tags: ['2.0.0'] })] })
    expect(await scrubbed()).toMatchObject({ corrupt: 2 })
    expect((await download('acme/built', '1.0.0')).status).toBe(503)
    const answers = await Promise.all(
      VERSIONS.map(async (version) => ({ version, ...(await download('acme/lib', version)) })),
    )
    const failed = answers.filter(({ status }) => status !== 200)
    expect(failed.map(({ status }) => status)).toEqual([502])
    for (const { version, status, text } of answers) if (status === 200) expect(text).toBe(right.get(version) ?? '')
  })
})

test('a pass that was cut short goes on where it was', async () => {
  const first = await TestApp.start({ SCRUB_INTERVAL: '100' })
  createGitRepository(first.path('lib.git'), {
    commits: Array.from({ length: 120 }, (_, at) => library('acme/lib', `${at}`, { tags: [`1.0.${at}`] })),
  })
  await first.addRepository(first.path('lib.git'), { archives: 'all' })
  await first.listen()
  // The first page of archives is due, the rest is not.
  while (first.app.scrubCounts().archives < 1) await Bun.sleep(5)
  first.clock.now += 50
  while (first.app.scrubCounts().archives < 60) await Bun.sleep(5)
  await first.stop(true)
  const second = await TestApp.start({ SCRUB_INTERVAL: '100' }, first.directory)
  second.clock.now = first.clock.now + 200
  await second.listen()
  while (second.app.scrubCounts().passes < 1) await Bun.sleep(5)
  expect(second.app.scrubCounts().archives).toBe(70)
  await second.stop()
})
