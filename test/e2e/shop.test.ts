import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Installation, type RunningServer } from '../support/binary.ts'
import { ComposerProject, composerAvailable } from '../support/composer-project.ts'
import { type GitServer, startGitServer } from '../support/git-http-server.ts'
import { createGitRepository } from '../support/git-repository.ts'
import { Management } from '../support/management.ts'
import { libraryFiles } from '../support/packages.ts'

/*
 * How a shop sells access to packages, from the purchase to the cancellation. The tests run in order and are one story:
 * read from top to bottom they say which requests a shop sends, and what its customer sees at the terminal.
 */

setDefaultTimeout(90_000)

const DAY = 86_400
const NOW = Math.floor(Date.now() / 1000)

/** A token as the API answers with it. */
interface Token {
  id: string
  token: string
  expires_at: number
  previous_value_until: number | null
}

describe.skipIf(!composerAvailable)('a shop', () => {
  let root: string
  let source: GitServer
  let installation: Installation
  let server: RunningServer
  /** What the shop holds: it can neither add repositories nor see anything of other vendors. */
  let shopToken: string
  let customer: ComposerProject
  /** The customer's token, in its latest state. */
  let sold: Token

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'package-broker-shop-'))
    const release = (name: string, version: string, daysAgo: number) => ({
      files: libraryFiles(name, version),
      tags: [version],
      date: NOW - daysAgo * DAY,
    })
    createGitRepository(join(root, 'plugin.git'), {
      commits: [
        release('acme/plugin', '1.0.0', 400),
        release('acme/plugin', '1.1.0', 200),
        release('acme/plugin', '1.2.0', 20),
        release('acme/plugin', '2.0.0', 10),
      ],
    })
    createGitRepository(join(root, 'other.git'), { commits: [release('acme/other', '1.0.0', 400)] })
    createGitRepository(join(root, 'neighbour.git'), { commits: [release('globex/tool', '1.0.0', 400)] })
    source = await startGitServer({ root })
    installation = await Installation.create()
    server = await installation.serve()
    const owner = new Management(server.url, server.adminToken)
    for (const name of ['plugin', 'other', 'neighbour']) await owner.addRepository(`${source.url}/${name}.git`)
    shopToken = await owner.token({
      permissions: 'write',
      description: 'Web shop of acme',
      allowed_package_prefixes: ['acme/'],
    })
  })

  afterAll(async () => {
    customer?.remove()
    await installation?.remove()
    await source?.stop()
    if (root !== undefined) rmSync(root, { recursive: true, force: true })
  })

  /** A request of the shop: the status and the body of the answer. */
  async function shop<Body = Token>(method: string, path: string, json?: unknown, headers = {}) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${shopToken}`, 'Content-Type': 'application/json', ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    return { status: response.status, body: (await response.json()) as Body }
  }

  /** The purchase: one package, its current major version, a year of updates that is over by now. */
  const PURCHASE = {
    permissions: 'readonly',
    description: 'Order 1001',
    allowed_packages: [{ name: 'acme/plugin', constraint: '^1.0' }],
    updates_until: NOW - 100 * DAY,
    expires_at: NOW + 30 * DAY,
    metadata: { customer_id: 'cus_42', order: '1001' },
  }

  /** Composer with the customer's token, on a machine with an empty cache. */
  function composer(...args: string[]) {
    customer.forget()
    return customer.run(...args)
  }

  function installed(): string | undefined {
    return customer.locked().find(({ name }) => name === 'acme/plugin')?.version
  }

  test('cannot do what the owner can', async () => {
    expect((await shop('GET', '/api/repositories')).status).toBe(403)
    const wide = await shop('POST', '/api/tokens', { permissions: 'readonly', allowed_package_prefixes: ['globex/'] })
    expect(wide).toMatchObject({
      status: 403,
      body: { error: expect.stringContaining('may hand on only what it covers itself') },
    })
  })

  test('sells: the payment is confirmed twice, and there is one token', async () => {
    const key = { 'Idempotency-Key': 'order-1001' }
    const first = await shop('POST', '/api/tokens', PURCHASE, key)
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject(PURCHASE)
    const again = await shop('POST', '/api/tokens', PURCHASE, key)
    expect(again).toEqual(first)
    sold = first.body
    customer = ComposerProject.create({ repositories: [server.url], tokens: { [server.url]: sold.token } })
  })

  test('the customer installs what was bought', async () => {
    const { code, output } = await composer('require', 'acme/plugin')
    expect({ code, output }).toMatchObject({ code: 0 })
    // 1.2.0 came after updates_until, 2.0.0 is outside the constraint too.
    expect(installed()).toBe('1.1.0')
    expect(customer.read('vendor/acme/plugin/src/Lib.php')).toContain('1.1.0')
  })

  test.each(['globex/tool', 'acme/other'])('and not %s, which was not bought', async (name) => {
    const before = customer.read('composer.json')
    const { code, output } = await composer('require', name)
    expect(code).not.toBe(0)
    // Composer breaks its lines at the width of the terminal.
    expect(output.replace(/\s+/g, ' ')).toContain(`Could not find a matching version of package ${name}.`)
    expect(customer.read('composer.json')).toBe(before)
  })

  test('a newer version from a colleague’s lock file is refused in words', async () => {
    const colleague = ComposerProject.create({
      repositories: [server.url],
      tokens: { [server.url]: await new Management(server.url, server.adminToken).token() },
      require: { 'acme/plugin': '1.2.0' },
    })
    try {
      expect((await colleague.run('update')).code).toBe(0)
      colleague.signIn({ [server.url]: sold.token })
      colleague.forget()
      const { code, output } = await colleague.run('install')
      expect(code).not.toBe(0)
      expect(output.replace(/\s+/g, ' ')).toContain(
        'This token has no such version of acme/plugin: the version is outside its constraint, was released after its updates end, or does not exist.',
      )
    } finally {
      colleague.remove()
    }
  })

  test('the shop finds the tokens of its customer, without their values', async () => {
    await shop('POST', '/api/tokens', { ...PURCHASE, metadata: { customer_id: 'cus_43' } })
    const { status, body } = await shop<Record<string, unknown>[]>('GET', '/api/tokens?customer_id=cus_42')
    expect(status).toBe(200)
    expect(body.map(({ id }) => id)).toEqual([sold.id])
    expect(body[0]).not.toHaveProperty('token')
  })

  test('explains to the support why a version is not there', async () => {
    const { body } = await shop<{ versions: { version: string; visible: boolean; reason: string }[] }>(
      'GET',
      `/api/tokens/${sold.id}/explain?package=acme/plugin`,
    )
    const reasons = Object.fromEntries(body.versions.map(({ version, reason }) => [version, reason]))
    expect(reasons).toMatchObject({
      '1.1.0': 'Covered.',
      '1.2.0': 'The version was released after updates_until.',
      '2.0.0': 'The version is outside the constraint of allowed_packages.',
    })
  })

  test('renews: with the same token the newer version is there at once', async () => {
    const change = { expires_at: NOW + 365 * DAY, updates_until: NOW + 365 * DAY }
    const renewed = await shop('PATCH', `/api/tokens/${sold.id}`, change)
    expect(renewed).toMatchObject({ status: 200, body: { id: sold.id, ...change } })
    // What Composer has cached by now must not hide it.
    const { code, output } = await customer.run('update')
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(installed()).toBe('1.2.0')
  })

  test('rotates: the old value works on for the grace, and the new one too', async () => {
    const rotated = await shop('POST', `/api/tokens/${sold.id}/rotate`, { grace: 600 })
    expect(rotated.status).toBe(200)
    expect(rotated.body.id).toBe(sold.id)
    expect(rotated.body.token).not.toBe(sold.token)
    expect(rotated.body.previous_value_until).toBeGreaterThanOrEqual(NOW + 600)
    expect((await composer('update')).code).toBe(0)
    customer.signIn({ [server.url]: rotated.body.token })
    expect((await composer('update')).code).toBe(0)
    const old = sold.token
    sold = rotated.body
    // Without grace the value before stops at once; the one from two rotations ago is gone too.
    const last = await shop('POST', `/api/tokens/${sold.id}/rotate`)
    for (const value of [old, sold.token]) {
      const headers = { Authorization: `Bearer ${value}` }
      expect((await fetch(`${server.url}/packages.json`, { headers })).status).toBe(401)
    }
    sold = last.body
    customer.signIn({ [server.url]: sold.token })
    expect((await composer('update')).code).toBe(0)
  })

  test('cancels: the next request fails, and Composer says why', async () => {
    const cancelled = await shop('DELETE', `/api/tokens/${sold.id}`)
    expect(cancelled).toEqual({ status: 200, body: { message: 'Token revoked' } as unknown as Token })
    const { code, output } = await composer('install')
    expect(code).not.toBe(0)
    expect(output).toContain('The token is unknown or was revoked.')
    expect(output).toContain('composer config --auth http-basic.')
    expect(customer.has('vendor/acme/plugin')).toBe(false)
  })
})
