import { expect, test } from 'bun:test'
import { Pacer, turn } from '../src/pacer.ts'

/** Resolves in the next turn of the event loop, whatever waits for its own. */
const observed = () => new Promise<void>((resolve) => setImmediate(resolve))

test('of all work that waits for its turn one piece goes on in each', async () => {
  let done = 0
  const work = Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let piece = 0; piece < 5; piece++) {
        await turn()
        done++
      }
    }),
  )
  const most: number[] = []
  for (let before = 0; done < 40; before = done) {
    await observed()
    most.push(done - before)
  }
  await work
  expect(Math.max(...most)).toBe(1)
})

test('a turn comes to everybody, in the order in which it was asked for', async () => {
  const order: string[] = []
  const ask = async (name: string) => {
    for (let round = 0; round < 3; round++) {
      await turn()
      order.push(name)
    }
  }
  await Promise.all([ask('a'), ask('b'), ask('c')])
  expect(order.join('')).toBe('abcabcabc')
})

test('paced work rests when its slice is used up, and stops when it is told to', async () => {
  const controller = new AbortController()
  const pace = new Pacer(controller.signal)
  expect(pace.step()).toBeUndefined()
  const until = performance.now() + 6
  while (performance.now() < until);
  const rest = pace.step()
  expect(rest).toBeInstanceOf(Promise)
  await rest
  controller.abort(new Error('enough'))
  expect(() => pace.step()).toThrow('enough')
})
