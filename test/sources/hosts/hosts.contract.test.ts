import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { Host, ListedRepository } from '../../../src/sources/hosts/host.ts'
import { DOUBLES } from '../../support/hosts/doubles.ts'
import type { HostDouble } from '../../support/hosts/host-double.ts'
import { soon } from '../support.ts'

async function listed(host: Host, owner: string): Promise<ListedRepository[]> {
  const all: ListedRepository[] = []
  for await (const page of host.listRepositories(owner, soon())) all.push(...page)
  return all
}

/** The rejection of a promise, as far as callers see it. */
async function refusal(promise: Promise<unknown>): Promise<{ reason: unknown; message: string; retryAfter: unknown }> {
  const error = await promise.then(
    () => null,
    (thrown) => thrown,
  )
  return { reason: error?.details?.reason, message: error?.message, retryAfter: error?.details?.retry_after }
}

for (const Double of DOUBLES) {
  let double: HostDouble
  let host: Host
  const factsOf = (name: string) => host.facts({ path: double.pathOf(name), id: null }, soon())

  describe(`a host: ${Double.name}`, () => {
    beforeEach(() => {
      double = new Double()
      host = double.open()
    })
    afterEach(() => double.stop())

    test('facts of a repository', async () => {
      double.add('lib', { description: 'A library', defaultBranch: 'trunk' })
      const facts = await factsOf('lib')
      expect(facts).toMatchObject({
        path: double.pathOf('lib'),
        defaultBranch: 'trunk',
        archived: false,
        visibility: 'private',
        description: 'A library',
      })
      expect(facts.id).not.toBe('')
      expect(facts.cloneUrl).toMatch(/^https:\/\/[^@]+$/)
      if (double.hasIssues) expect(facts.issuesUrl).toStartWith(facts.webUrl)
      else expect(facts.issuesUrl).toBeNull()
    })

    test('issues that are off, and a public repository', async () => {
      double.add('lib', { issues: false, private: false })
      expect(await factsOf('lib')).toMatchObject({ issuesUrl: null, visibility: 'public' })
    })

    test('an archived repository, where the host knows them', async () => {
      double.add('lib', { archived: true })
      expect((await factsOf('lib')).archived).toBe(double.archives)
    })

    test('a repository is found by its id after it was renamed', async () => {
      const repository = double.add('old')
      const { id } = await factsOf('old')
      repository.path = double.pathOf('new')
      double.add('old')
      const asked = host.facts({ path: double.pathOf('old'), id }, soon())
      // Where ids find nothing, another repository is not taken for this one.
      if (!double.followsIds) {
        expect(await refusal(asked)).toMatchObject({ reason: 'missing' })
        return
      }
      const facts = await asked
      expect(facts).toMatchObject({ id, path: double.pathOf('new') })
      expect(facts.cloneUrl).toContain('new')
    })

    test('one that is not there is missing', async () => {
      expect(await refusal(factsOf('none'))).toMatchObject({ reason: 'missing' })
    })

    test('a wrong token is told from a weak one and from one without permission', async () => {
      double.add('lib')
      host = double.open('wrong-token')
      expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'auth' })
      double.instead = () => double.refusals.noPermission()
      expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'permission' })
      double.instead = () => double.refusals.weakToken()
      const weak = await refusal(factsOf('lib'))
      expect(weak.reason).toBe('scope')
      expect(weak.message).toContain('needs')
    })

    test('refusals have the published shape', async () => {
      double.add('lib')
      await factsOf('lib')
      const { pathname } = new URL(double.seen[0]?.path ?? '', double.origin)
      const { noPermission, weakToken, limited } = double.refusals
      for (const refused of [noPermission(), weakToken(), limited(37)]) {
        expect(await double.differences('GET', pathname, refused)).toEqual([])
      }
    })

    test('rate limits, with the time to wait when it is told', async () => {
      double.instead = () => double.refusals.limited(37)
      expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'rate_limited', retryAfter: 37 })
      expect(host.budget()?.retryAfter).toBe(37)
      double.instead = () => double.refusals.limited(null)
      expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'rate_limited', retryAfter: undefined })
    })

    test('a host that fails is unreachable', async () => {
      double.instead = () => new Response('<h1>Bad Gateway</h1>', { status: 502 })
      expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'unreachable' })
    })

    test('the repositories of an owner, page by page', async () => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) double.add(name, { fork: name === 'b' })
      const all = await listed(host, double.owner)
      expect(all.map(({ path }) => path).sort()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => double.pathOf(name)))
      expect(all.filter(({ fork }) => fork).map(({ path }) => path)).toEqual([double.pathOf('b')])
      expect(double.seen.length).toBe(3 + double.lookups)
    })

    test('an owner without changes costs one request', async () => {
      double.add('a')
      const first = await host.probeOwner(double.owner, null, soon())
      if (first.state !== 'changed') throw new Error('The first probe finds everything changed.')
      double.seen.length = 0
      expect(await host.probeOwner(double.owner, first.validator, soon())).toEqual({ state: 'unchanged' })
      expect(double.seen.length).toBe(1)
      double.add('b')
      const later = await host.probeOwner(double.owner, first.validator, soon())
      expect(later).toMatchObject({ state: 'changed' })
    })

    test('webhooks are registered with their secret, and removed once or twice', async () => {
      const { path } = double.add('lib')
      const { id } = await factsOf('lib')
      const hook = { url: 'https://broker.example/webhooks/1', secret: 'hook-secret' }
      const webhook = await host.registerWebhook({ path, id }, hook, soon())
      expect([...double.hooks.values()]).toEqual([hook])
      await host.removeWebhook({ path, id }, webhook, soon())
      expect(double.hooks.size).toBe(0)
      await host.removeWebhook({ path, id }, webhook, soon())
    })

    test('what is no answer of a host is refused', async () => {
      const bodies = [
        '',
        'null',
        '[]',
        '{"id":"one"}',
        '{"id":1,"full_name":7}',
        '<html>',
        '{"id":1e99}',
        '[{"id":{}}]',
      ]
      for (const body of bodies) {
        double.instead = () => new Response(body, { headers: { 'Content-Type': 'application/json' } })
        expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'protocol' })
      }
    })

    test('a body without an end is not read to it', async () => {
      double.instead = () => new Response(new Uint8Array(64 * 1024 * 1024).fill(0x20))
      const { reason, message } = await refusal(factsOf('lib'))
      expect(reason).toBe('protocol')
      expect(message).toContain('more than')
    })

    test('a next page on another origin is not asked for', async () => {
      const other = new Double()
      try {
        double.instead = () => double.strayPage(other.origin)
        expect(await refusal(listed(host, double.owner))).toMatchObject({ reason: 'protocol' })
        expect(other.seen).toEqual([])
      } finally {
        await other.stop()
      }
    })

    test('a redirect to another origin is not followed', async () => {
      const other = new Double()
      try {
        other.everybody = true
        other.add('lib')
        for (const status of [301, 302, 303, 307, 308]) {
          double.instead = ({ path }) => Response.redirect(other.origin + path, status)
          expect(await refusal(factsOf('lib'))).toMatchObject({ reason: 'protocol' })
        }
        expect(other.seen).toEqual([])
      } finally {
        await other.stop()
      }
    })
  })
}
