import { describe, expect, test } from 'bun:test'
import { type FairBounds, FairQueue, Ticket } from '../../src/archives/fair-queue.ts'
import { AppError, isAppError } from '../../src/errors.ts'

const ROOMY: FairBounds = { atOnce: 100, perHost: 100, perClient: 100, waiting: 1_000 }

/** A queue whose jobs run until they are ended by name. */
function bench(bounds: Partial<FairBounds>) {
  const queue = new FairQueue({ ...ROOMY, ...bounds })
  const gates = new Map<string, PromiseWithResolvers<void>>()
  const started: string[] = []
  const refused: string[] = []
  const tickets = new Map<string, Ticket>()
  return {
    queue,
    started,
    refused,
    async ask(name: string, client: string, host = 'git.example.com:443') {
      const ticket = new Ticket(host, client)
      const gate = Promise.withResolvers<void>()
      gates.set(name, gate)
      tickets.set(name, ticket)
      const job = () => {
        started.push(name)
        return gate.promise
      }
      void queue.run(ticket, job).catch((error: unknown) => {
        if (!isAppError(error, 'unavailable')) throw error
        expect(error.details.retry_after).toBeGreaterThan(0)
        refused.push(name)
      })
      await Bun.sleep(0)
    },
    async join(name: string, client: string) {
      const ticket = tickets.get(name)
      if (ticket) queue.join(ticket, client)
      await Bun.sleep(0)
    },
    async end(name: string) {
      gates.get(name)?.resolve()
      await Bun.sleep(0)
    },
  }
}

describe('bounds', () => {
  test('one host cannot take every place', async () => {
    const { ask, started, queue } = bench({ atOnce: 4, perHost: 2 })
    for (let at = 0; at < 10; at++) await ask(`slow-${at}`, `client-${at}`, 'slow.example.com:443')
    await ask('other', 'client-0', 'fast.example.com:443')
    expect(started).toEqual(['slow-0', 'slow-1', 'other'])
    expect([queue.running, queue.waiting]).toEqual([3, 8])
  })

  test('one client cannot take every place, on whatever hosts', async () => {
    const { ask, started } = bench({ atOnce: 4, perClient: 2 })
    for (let at = 0; at < 10; at++) await ask(`greedy-${at}`, 'greedy', `host-${at}`)
    await ask('modest', 'modest', 'host-9')
    expect(started).toEqual(['greedy-0', 'greedy-1', 'modest'])
  })

  test('a place that is free goes to whoever waits, and counts are given back', async () => {
    const { ask, end, started, queue } = bench({ atOnce: 2, perHost: 1 })
    for (const name of ['a1', 'a2', 'a3']) await ask(name, 'one', 'a')
    await ask('b1', 'one', 'b')
    for (const name of ['a1', 'a2', 'b1', 'a3']) await end(name)
    expect(started).toEqual(['a1', 'b1', 'a2', 'a3'])
    await queue.idle()
    expect([queue.running, queue.waiting]).toEqual([0, 0])
  })
})

describe('turns', () => {
  test('lines of clients take turns: a client with many jobs delays another by one', async () => {
    const { ask, end, started } = bench({ atOnce: 1 })
    for (let at = 0; at < 5; at++) await ask(`many-${at}`, 'many')
    await ask('few-0', 'few')
    await ask('few-1', 'few')
    for (const name of ['many-0', 'many-1', 'few-0', 'many-2']) await end(name)
    expect(started).toEqual(['many-0', 'many-1', 'few-0', 'many-2', 'few-1'])
  })

  test('a job that a second client wants comes with the turn of that one', async () => {
    const { ask, join, end, started } = bench({ atOnce: 1 })
    for (let at = 0; at < 5; at++) await ask(`many-${at}`, 'many')
    await join('many-4', 'few')
    for (const name of ['many-0', 'many-1']) await end(name)
    expect(started).toEqual(['many-0', 'many-1', 'many-4'])
  })

  test('a second client brings a job forward at once when only the first had no place left', async () => {
    const { ask, join, started } = bench({ perClient: 1 })
    await ask('first', 'many')
    await ask('second', 'many')
    await join('second', 'few')
    expect(started).toEqual(['first', 'second'])
  })
})

describe('too much', () => {
  test('the longest line loses its end; a newcomer from another client waits', async () => {
    const { ask, end, started, refused, queue } = bench({ atOnce: 1, waiting: 3 })
    for (let at = 0; at < 4; at++) await ask(`many-${at}`, 'many')
    await ask('few', 'few')
    await ask('many-4', 'many')
    expect(refused).toEqual(['many-3', 'many-4'])
    expect([queue.waiting, queue.refused]).toEqual([3, 2])
    for (const name of ['many-0', 'many-1', 'few']) await end(name)
    expect(started).toEqual(['many-0', 'many-1', 'few', 'many-2'])
  })

  test('a job that others want too is not what goes', async () => {
    const { ask, join, refused } = bench({ atOnce: 1, waiting: 2 })
    for (const name of ['runs', 'waits', 'shared']) await ask(name, 'many')
    await join('shared', 'few')
    await ask('late', 'third')
    expect(refused).toEqual(['waits'])
  })

  test('what waits fails when it is told to, and what runs goes on', async () => {
    const { ask, end, queue, started, refused } = bench({ atOnce: 1 })
    await ask('runs', 'one')
    await ask('waits', 'two')

    queue.rejectWaiting(new AppError('unavailable', 'The server stops.', { details: { retry_after: 1 } }))
    await end('runs')
    expect([started, refused, queue.waiting]).toEqual([['runs'], ['waits'], 0])
  })
})
