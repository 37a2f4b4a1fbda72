import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { PRIORITY } from '../../src/sync/queue.ts'
import { worstStall } from '../support/event-loop.ts'
import { manifest, SyncStage, simple } from './support.ts'

let stage: SyncStage
beforeAll(async () => {
  stage = await SyncStage.open({ concurrency: 8 })
})
afterAll(() => stage.close())

/** What is promised, in milliseconds; without rests a first sync stands still for 380 and more. */
const LONGEST_STALL = 100

describe('many and large repositories', () => {
  test('two dozen repositories are synchronised eight at a time', async () => {
    const ids: string[] = []
    let running = 0
    let most = 0
    stage.fault = async (_, forward) => {
      most = Math.max(most, ++running)
      const response = await forward()
      running--
      return response
    }
    for (let index = 0; index < 24; index++) {
      stage.repository(`r${index}`, {
        commits: [{ files: { 'composer.json': manifest(`acme/r${index}`) }, tags: ['1.0.0'] }],
      })
      ids.push(await stage.add(`r${index}`))
    }
    for (const id of ids) await stage.queue.request(id, PRIORITY.sweep)
    while ((await stage.store.repositories.counts(ids)).size < 24) await Bun.sleep(10)
    stage.fault = null
    expect(most).toBeLessThanOrEqual(8)
    expect(most).toBeGreaterThan(1)
    for (const id of ids) expect(await stage.offered(id)).toHaveLength(2)
  }, 30_000)

  test('thousands of refs leave the event loop to others', async () => {
    const require = Object.fromEntries(
      Array.from({ length: 80 }, (_, index) => [`acme/r${index}`, '^1.0 || ~2.3 || 3.*']),
    )
    const commits = Array.from({ length: 1_500 }, (_, index) => ({
      files: { 'composer.json': manifest('acme/large', { extra: { number: index }, require }) },
      tags: [`1.${index}.0`],
    }))
    stage.repository('large', { commits })
    const id = await stage.add('large')
    const { stall: first } = await worstStall(() => stage.sync(id))
    expect(await stage.offered(id)).toHaveLength(1_501)
    const { stall: deletion } = await worstStall(() => stage.store.repositories.delete(id, stage.now))
    for (const stall of [first, deletion]) expect(stall).toBeLessThan(LONGEST_STALL)
  }, 30_000)

  test('a repository with a name per branch does too', async () => {
    const commits = Array.from({ length: 600 }, (_, index) => ({
      branch: `b${index}`,
      files: { 'composer.json': manifest(`acme/package-${index}`) },
    }))
    stage.repository('many', { commits, head: 'none' })
    const id = await stage.add('many')
    const { stall: first } = await worstStall(() => stage.sync(id))
    expect((await stage.store.repositories.counts([id])).get(id)).toEqual({ packages: 600, versions: 600 })
    const { stall: deletion } = await worstStall(() => stage.store.repositories.delete(id, stage.now))
    for (const stall of [first, deletion]) expect(stall).toBeLessThan(LONGEST_STALL)
  }, 30_000)

  test('a wake-up costs nothing that grows with what is unchanged', async () => {
    stage.repository('quiet', simple('acme/quiet'))
    const id = await stage.add('quiet')
    await stage.sync(id)
    const before = stage.requests.length
    for (let round = 0; round < 5; round++) await stage.sync(id)
    expect(stage.requests.length - before).toBe(10)
  })
})
