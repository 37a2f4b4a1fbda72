import { expect, test } from 'bun:test'
import { HostBudgets } from '../../src/sync/host-budgets.ts'

const NOTHING_ELSE = { limit: 5_000, resetAt: 2_000, retryAfter: null }

test('what hosts said is left is told for each credential, the last word counts', () => {
  const budgets = new HostBudgets(() => 1_000)
  const [one, two] = ['one', 'two'].map((credential) => ({ host: 'api.github.com', credential }))
  if (!one || !two) throw new Error('there are two')
  budgets.note(one, { ...NOTHING_ELSE, remaining: 4_999 })
  budgets.note(two, { ...NOTHING_ELSE, remaining: 12 })
  budgets.note(one, { ...NOTHING_ELSE, remaining: 4_998 })
  budgets.note(one, { ...NOTHING_ELSE, remaining: null })
  expect(budgets.left()).toEqual([
    { ...two, requests: 12 },
    { ...one, requests: 4_998 },
  ])
})

test('of a bounded number of them', () => {
  const budgets = new HostBudgets(() => 1_000)
  for (let host = 0; host < 600; host++) {
    budgets.note({ host: `h${host}.example`, credential: '' }, { ...NOTHING_ELSE, remaining: host })
  }
  expect(budgets.left()).toHaveLength(500)
  expect(budgets.left().at(-1)).toEqual({ host: 'h599.example', credential: '', requests: 599 })
})
