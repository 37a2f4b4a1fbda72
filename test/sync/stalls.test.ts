import { afterAll, beforeAll, expect, test } from 'bun:test'
import { worstStall } from '../support/event-loop.ts'
import { manifest, SyncStage } from './support.ts'

let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open({})
})
afterAll(() => stage.close())

/** What is promised, in milliseconds. */
const LONGEST_STALL = 100

test('composer.json files of nearly a megabyte, each with thousands of links of its own', async () => {
  const links = (edition: number) =>
    Object.fromEntries(
      Array.from({ length: 20_000 }, (_, at) => [`acme/part-${at}`, `^${edition}.${at} || ~3.${at}.0`]),
    )
  const commits = Array.from({ length: 3 }, (_, edition) => ({
    files: { 'composer.json': manifest('acme/linked', { require: links(edition) }) },
    tags: [`1.0.${edition}`],
  }))
  stage.repository('linked', { commits })
  const id = await stage.add('linked')
  const { stall, beats } = await worstStall(() => stage.sync(id))
  expect(await stage.offered(id)).toHaveLength(4)
  expect(stall).toBeLessThan(LONGEST_STALL)
  expect(beats).toBeGreaterThan(20)
}, 60_000)

test('a repository of many packages with long composer.json files', async () => {
  const extra = (about: string) => ({ notes: `${about} `.repeat(30_000 / about.length) })
  const commits = Array.from({ length: 60 }, (_, release) => ({
    files: Object.fromEntries(
      Array.from({ length: 30 }, (_, part) => [
        `packages/p${part}/composer.json`,
        manifest(`acme/p${part}`, { extra: extra(`release ${release} of part ${part}`) }),
      ]),
    ),
    tags: [`1.${release}.0`],
  }))
  stage.repository('parts', { commits })
  const id = await stage.add('parts', { composerJsonPaths: 'packages/*/composer.json' })
  const { stall } = await worstStall(() => stage.sync(id))
  expect((await stage.store.repositories.counts([id])).get(id)).toEqual({ packages: 30, versions: 30 * 61 })
  expect(stall).toBeLessThan(LONGEST_STALL)
}, 60_000)
