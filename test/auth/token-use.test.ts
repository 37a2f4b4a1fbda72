import { describe, expect, test } from 'bun:test'
import { TestApp } from '../support/app.ts'

async function shown(id: string, from: TestApp) {
  return (await (await from.ask(`/api/tokens/${id}`)).json()) as { last_used_at: number; last_client: string }
}

describe('last use of a token', () => {
  test('is written when the app stops, with the client, whatever the answer was', async () => {
    const first = await TestApp.start()
    const used = await first.token()
    const unused = await first.token()
    expect(await shown(used.id, first)).toMatchObject({ last_used_at: null, last_client: null })
    await first.ask('/packages.json', { token: used.token, headers: { 'User-Agent': 'one' } })
    first.clock.now += 7
    const { now } = first.clock
    const headers = { 'User-Agent': 'Composer/2.8 (Linux)' }
    expect((await first.ask('/api/tokens', { token: used.token, headers })).status).toBe(403)
    await first.stop(true)
    const second = await TestApp.start({}, first.directory)
    expect(await shown(used.id, second)).toMatchObject({ last_used_at: now, last_client: 'Composer/2.8 (Linux)' })
    expect(await shown(unused.id, second)).toMatchObject({ last_used_at: null, last_client: null })
    await second.stop()
  })

  test('a token deleted before its use is written does no harm', async () => {
    const first = await TestApp.start()
    const [gone, kept] = [await first.token(), await first.token()]
    for (const { token } of [gone, kept]) await first.ask('/packages.json', { token })
    await first.ask(`/api/tokens/${gone.id}`, { method: 'DELETE' })
    await first.stop(true)
    expect(first.logged.filter((line) => line.includes('upkeep failed'))).toEqual([])
    const second = await TestApp.start({}, first.directory)
    expect((await second.ask(`/api/tokens/${gone.id}`)).status).toBe(404)
    expect((await shown(kept.id, second)).last_used_at).toBe(first.clock.now)
    await second.stop()
  })
})
