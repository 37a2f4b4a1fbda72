import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { RepeatedDeliveryError, WebhookTable } from '../../src/store/webhooks.ts'
import { openStore, repositoryRow, type TestStore, temporaryDirectory } from './support.ts'

const directory = temporaryDirectory()
const delivery = (deliveryId: string, repositoryId = 'repo_a') => ({ repositoryId, deliveryId, facts: false })

let store: TestStore
let webhooks: WebhookTable

beforeAll(async () => {
  store = await openStore(`file:${join(directory.path, 'webhooks.db')}`)
  webhooks = new WebhookTable(store.db)
  for (const id of ['repo_a', 'repo_b']) await store.repositories.insert(repositoryRow(id))
})

afterAll(async () => {
  await store?.db.close()
  directory.remove()
})

test('a delivery is accepted once, of each repository; the second time nothing beside it is done either', async () => {
  await store.db.write(webhooks.accepting(delivery('one'), 1_000, 0))
  await store.db.write(webhooks.accepting(delivery('one', 'repo_b'), 1_000, 0))
  const again = store.jobs.enqueue({ repositoryId: 'repo_a', priority: 80, runAt: 1, acceptRemovals: false }, 1, () =>
    webhooks.accepting(delivery('one'), 1_001, 0),
  )
  expect(again).rejects.toThrow(RepeatedDeliveryError)
  await again.catch(() => {})
  expect((await store.jobs.latest(['repo_a'])).size).toBe(0)
  expect(await store.repositories.find('repo_a')).toMatchObject({ lastWebhookAt: 1_000 })
})

test('after the time that it is known for it is a new one', async () => {
  expect(await webhooks.isRepeated(delivery('one'), 999)).toBe(true)
  expect(await webhooks.isRepeated(delivery('one'), 1_000)).toBe(false)
  await store.db.write(webhooks.accepting(delivery('one'), 2_000, 1_000))
  expect(await webhooks.isRepeated(delivery('one'), 1_999)).toBe(true)
})

test('what is old is forgotten', async () => {
  await store.db.write(webhooks.accepting(delivery('young'), 3_000, 0))
  await webhooks.dropOld(2_000)
  expect(await webhooks.isRepeated(delivery('one'), 0)).toBe(false)
  expect(await webhooks.isRepeated(delivery('one', 'repo_b'), 0)).toBe(false)
  expect(await webhooks.isRepeated(delivery('young'), 0)).toBe(true)
})
