import { afterEach, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { TestApp } from '../support/app.ts'
import { discover, foundBy } from '../support/discoveries.ts'
import { Forge } from '../support/hosts/forge.ts'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { json } from '../support/hosts/host-double.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const TOKEN = 'ghs_of-the-installation'

test('a GitHub App finds what it is installed in, as far as it is the owner’s, and its repositories are read with it', async () => {
  const double = new GithubDouble()
  const forge = await Forge.start(double, { user: 'x-access-token', password: TOKEN })
  ends.push(() => forge.stop())
  for (const name of ['lib', 'tool']) forge.addPackage(name)
  const said = (path: string, id: number) => ({
    ...{ id, full_name: path, clone_url: `https://github.example/${path.toLowerCase()}.git`, default_branch: 'main' },
    ...{ archived: false, fork: false, pushed_at: '2024-01-01T00:00:00Z' },
  })
  const installed = [said('acme/lib', 101), said('other/lib', 7), said('Acme/tool', 102)]
  Object.assign(double, { token: TOKEN })
  let made = 0
  double.instead = ({ path, headers }) => {
    if (path === '/app/installations/42/access_tokens') {
      made += 1
      return json({ token: TOKEN, expires_at: '2100-01-01T00:00:00Z' }, 201)
    }
    if (!path.startsWith('/installation/repositories')) return null
    if (headers.get('authorization') !== `Bearer ${TOKEN}`) return json({ message: 'Bad credentials' }, 401)
    return json({ total_count: installed.length, repositories: installed })
  }
  const app = await TestApp.start()
  ends.push(() => app.stop())
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const view = await discover(app, {
    ...{ url: forge.ownerUrl, vcs_type: 'github', credential_type: 'github_app' },
    auth_credentials: {
      app_id: '1',
      installation_id: '42',
      private_key: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    },
  })
  expect(view).toMatchObject({ status: 'active', found: 2, added: 2 })
  const { lib } = await foundBy(app, view.id)
  expect(await app.synced(lib?.repository_id ?? '')).toMatchObject({
    ...{ status: 'active', packages: 1, credential_type: 'github_app', has_credentials: true },
  })
  // The look, both checks and both syncs share one token.
  expect(made).toBe(1)
})
