import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { hostFailureReason } from '../../../src/sources/hosts/failure.ts'
import type { Host } from '../../../src/sources/hosts/host.ts'
import { DOUBLES } from '../../support/hosts/doubles.ts'
import type { HostDouble } from '../../support/hosts/host-double.ts'
import { soon } from '../support.ts'

const PAGE = /[?&](?:page|start)=(\d+)/

/** What went wrong, and how long the host asks to be left alone. */
async function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'ok',
    (error) => {
      const wait = error?.details?.retry_after
      return [hostFailureReason(error) ?? String(error), ...(wait === undefined ? [] : [wait])].join(' ')
    },
  )
}

for (const Double of DOUBLES) {
  let double: HostDouble
  let host: Host
  const facts = (signal = soon()) => host.facts({ path: double.pathOf('lib'), id: null }, signal)

  describe(`faults of a host: ${Double.name}`, () => {
    beforeEach(() => {
      double = new Double()
      host = double.open()
      double.add('lib')
    })
    afterEach(() => double.stop())

    test.each([
      [429, {}, 'rate_limited'],
      [429, { 'Retry-After': '12' }, 'rate_limited 12'],
      [429, { 'Retry-After': 'Thu, 01 Jan 1970 00:00:00 GMT' }, 'rate_limited 0'],
      [429, { 'Retry-After': 'soon' }, 'rate_limited'],
      [451, {}, 'refused'],
      [410, {}, 'refused'],
      [500, {}, 'unreachable'],
      [503, { 'Retry-After': '30' }, 'unreachable'],
      [418, {}, 'refused'],
    ])('HTTP %i %j is %s, and over with it', async (status, headers, expected) => {
      double.instead = () => new Response('<h1>no</h1>', { status, headers })
      expect(await outcome(facts())).toBe(expected)
      double.instead = null
      expect(await outcome(facts())).toBe('ok')
    })

    test('a burst of failures leaves nothing behind', async () => {
      const burst = [502, 503, 500, 504]
      double.instead = () => {
        const status = burst.shift()
        return status === undefined ? null : new Response('', { status })
      }
      const outcomes: string[] = []
      for (let asked = 0; asked < 5; asked++) outcomes.push(await outcome(facts()))
      expect(outcomes).toEqual(['unreachable', 'unreachable', 'unreachable', 'unreachable', 'ok'])
    })

    test('there, gone, and there again', async () => {
      const outcomes = [await outcome(facts())]
      double.instead = () => new Response('{"message":"Not Found"}', { status: 404 })
      outcomes.push(await outcome(facts()))
      double.instead = null
      outcomes.push(await outcome(facts()))
      expect(outcomes).toEqual(['ok', 'missing', 'ok'])
    })

    test('a renamed repository is found where the host sends us, with the credential', async () => {
      const { pathname } = new URL((await facts().then(() => double.seen[0]?.path)) ?? '', double.origin)
      const renamed = `${double.origin}${pathname}`
      double.instead = ({ path }) =>
        path.includes('old-name') ? new Response(null, { status: 301, headers: { Location: renamed } }) : null
      const found = await host.facts({ path: double.pathOf('old-name'), id: null }, soon())
      expect(found.path).toBe(double.pathOf('lib'))
    })

    test('a webhook is not registered where a redirect leads that cannot be repeated', async () => {
      double.instead = ({ method }) =>
        method === 'POST' ? Response.redirect(`${double.origin}/elsewhere/hooks`, 301) : null
      const hook = { url: 'https://broker.example/webhooks/1', secret: 'hook-secret' }
      expect(await outcome(host.registerWebhook({ path: double.pathOf('lib'), id: null }, hook, soon()))).toBe(
        'protocol',
      )
      expect(double.seen.map(({ path }) => path)).not.toContain('/elsewhere/hooks')
    })

    test('a webhook’s secret does not follow a redirect to another origin', async () => {
      const other = new Double()
      try {
        double.instead = ({ path }) => Response.redirect(other.origin + path, 307)
        const hook = { url: 'https://broker.example/webhooks/1', secret: 'hook-secret' }
        const register = host.registerWebhook({ path: double.pathOf('lib'), id: null }, hook, soon())
        expect(await outcome(register)).toBe('protocol')
        expect(other.seen).toEqual([])
      } finally {
        await other.stop()
      }
    })

    test('a token that ends during a listing ends the listing, which is not taken for a whole one', async () => {
      for (const name of ['b', 'c', 'd', 'e']) double.add(name)
      double.instead = ({ path }) =>
        Number(PAGE.exec(path)?.[1] ?? 0) > 1 ? new Response('{"message":"Bad credentials"}', { status: 401 }) : null
      let listed = 0
      const list = async () => {
        for await (const page of host.listRepositories(double.owner, soon())) listed += page.length
      }
      expect(await outcome(list())).toBe('auth')
      expect(listed).toBe(2)
    })

    test('an owner whose repositories are gone has none, and none is made up', async () => {
      double.repositories.length = 0
      const pages: number[] = []
      for await (const page of host.listRepositories(double.owner, soon())) pages.push(page.length)
      expect(pages.reduce((sum, length) => sum + length, 0)).toBe(0)
    })

    test('pages that lead back to themselves are read once', async () => {
      double.instead = () => double.strayPage(double.origin)
      const list = async () => {
        for await (const page of host.listRepositories(double.owner, soon())) expect(page).toEqual([])
      }
      expect(await outcome(list())).toBe('protocol')
      expect(double.seen.length).toBe(2 + double.lookups)
    })

    test('a page that is a login form, or breaks off, is no page', async () => {
      for (const name of ['b', 'c']) double.add(name)
      const list = async () => {
        for await (const page of host.listRepositories(double.owner, soon())) expect(page.length).toBeLessThan(3)
      }
      for (const body of ['<!doctype html><form>', '[{"id":1', '{"values":', '"text"', '7', '[7]']) {
        double.instead = ({ path }) => (Number(PAGE.exec(path)?.[1] ?? 0) > 1 ? new Response(body) : null)
        expect([body, await outcome(list())]).toEqual([body, 'protocol'])
      }
    })

    test('an answer that drips is ended by who asked', async () => {
      const controller = new AbortController()
      double.instead = () =>
        new Response(
          new ReadableStream({
            async pull(out) {
              out.enqueue(new TextEncoder().encode(' '))
              if (!controller.signal.aborted) controller.abort(new Error('enough waited'))
              await Bun.sleep(20)
            },
          }),
        )
      expect(await outcome(facts(controller.signal))).toContain('enough waited')
    })
  })
}
