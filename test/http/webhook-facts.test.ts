import { expect, setDefaultTimeout, test } from 'bun:test'
import { DOUBLES } from '../support/hosts/doubles.ts'
import { type HostedView, HostStage } from '../support/hosts/host-stage.ts'
import { library } from '../support/packages.ts'
import { deliver, NOTIFIERS } from '../support/webhooks.ts'

setDefaultTimeout(30_000)

test.each(DOUBLES.map((Double) => [Double.name, Double] as const))(
  '%s: the host is asked again at once when it tells that the repository itself changed',
  async (_, Double) => {
    const stage = await HostStage.start(new Double())
    const { app, double } = stage
    try {
      const { hosted } = stage.repository('lib', { commits: [library('acme/lib', 'one', { tags: ['1.0.0'] })] })
      const notifier = NOTIFIERS.find(({ vcsType }) => vcsType === double.vcsType)
      if (!notifier) throw new Error('this host notifies nobody')
      const { secret } = notifier
      const added = await stage.add(hosted, { webhook_secret: secret })
      const told = async (facts: boolean) => {
        const response = await deliver(app, added.id, notifier.delivery({ secret, facts, now: app.clock.now }))
        expect(await response.json()).toEqual({ status: 'queued' })
        app.clock.now += 3
        return (await app.synced(added.id)) as HostedView
      }
      double.seen.length = 0
      hosted.private = false
      expect(await told(false)).toMatchObject({ host: { visibility: 'private' } })
      expect(stage.factsAsked()).toEqual([])
      expect(await told(true)).toMatchObject({ status: 'active', host: { visibility: 'public' } })
      expect(stage.factsAsked()).toHaveLength(1)
      await told(false)
      expect(stage.factsAsked()).toHaveLength(1)
    } finally {
      await stage.stop()
    }
  },
)
