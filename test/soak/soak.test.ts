import { expect, setDefaultTimeout, test } from 'bun:test'
import { soak } from './soak.ts'

setDefaultTimeout(180_000)

test('a short soak: the server is what the model says after everything', async () => {
  const { operations, kills, compared } = await soak(20_261_126, { operations: 50 })
  expect(Object.keys(operations).length).toBeGreaterThan(10)
  expect(kills).toBeGreaterThan(0)
  expect(compared).toBeGreaterThan(100)
})
