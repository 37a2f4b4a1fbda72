import { expect, test } from 'bun:test'
import { WritePace } from '../../../src/sources/hosts/write-pace.ts'

const never = new AbortController().signal

test('writes to one host come one after another, those to another host at once', async () => {
  const pace = new WritePace(40)
  const order: string[] = []
  const turn = (host: string, name: string) => pace.turn(host, 10_000, never).then(() => order.push(name))
  const began = Date.now()
  await Promise.all([turn('a', 'first'), turn('a', 'second'), turn('a', 'third'), turn('b', 'other')])
  expect(order).toEqual(['first', 'other', 'second', 'third'])
  // Timers are never early by more than their resolution; how late they are is not asserted.
  expect(Date.now() - began).toBeGreaterThan(70)
})

test('who would wait for too long is told at once for how long', async () => {
  const pace = new WritePace(60_000)
  await pace.turn('a', 0, never)
  expect(pace.turn('a', 10_000, never)).rejects.toMatchObject({
    kind: 'upstream',
    details: { reason: 'rate_limited', retry_after: 60 },
  })
})

test('who waits can be sent away', async () => {
  const pace = new WritePace(60_000)
  await pace.turn('a', 0, never)
  const stop = new AbortController()
  const waiting = pace.turn('a', Number.POSITIVE_INFINITY, stop.signal)
  stop.abort(new Error('stopping'))
  expect(waiting).rejects.toThrow('stopping')
})
