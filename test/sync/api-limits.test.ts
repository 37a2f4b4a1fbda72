import { afterAll, beforeAll, expect, test } from 'bun:test'
import { GithubDouble } from '../support/hosts/github-double.ts'
import { HostStage } from '../support/hosts/host-stage.ts'
import { library } from '../support/packages.ts'

let stage: HostStage<GithubDouble>

beforeAll(async () => {
  stage = await HostStage.start(new GithubDouble())
})

afterAll(() => stage?.stop())

test('what the API of a host limits holds up nothing that is read by git', async () => {
  const commits = [library('acme/lib', 'one', { tags: ['1.0.0'] })]
  const { hosted, source } = stage.repository('lib', { commits })
  const added = await stage.add(hosted)
  const reset = stage.app.clock.now + 60 * 3_600
  stage.double.instead = () =>
    Response.json(
      { message: 'API rate limit exceeded' },
      { status: 403, headers: { 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String(reset) } },
    )
  const limited = await stage.syncAfter(50, added)
  expect(limited).toMatchObject({ status: 'active', host_error: { code: 'rate_limited' } })
  source.tag('1.1.0', 'main')
  const later = await stage.syncAfter(0, added)
  expect(later).toMatchObject({ status: 'active', error_code: null, versions: 3 })
})
