import { describe, expect, test } from 'bun:test'
import { HostGates } from '../../src/mirror/host-gate.ts'
import { failureOf, patient } from './reader-support.ts'

/** A request that ends when it is told to. */
function request() {
  const { promise, resolve } = Promise.withResolvers<string>()
  return { promise, end: () => resolve('done') }
}

describe('the gate of a host', () => {
  test('lets so many through at a time, and so many wait, in their order', async () => {
    const gate = new HostGates({ parallel: 2, queue: 2 }).of('h.example')
    const begun: number[] = []
    const requests = [request(), request(), request(), request()]
    const passing = requests.map(({ promise }, index) =>
      gate.pass(patient, () => {
        begun.push(index)
        return promise
      }),
    )
    expect(await failureOf(gate.pass(patient, async () => 'never'))).toMatchObject({ reason: 'busy' })
    expect(begun).toEqual([0, 1])
    requests[1]?.end()
    await passing[1]
    await Bun.sleep(0)
    expect(begun).toEqual([0, 1, 2])
    for (const each of requests) each.end()
    expect(await Promise.all(passing)).toEqual(Array(4).fill('done'))
  })

  test('gives the place of one that does not wait any more to the next one', async () => {
    const gate = new HostGates({ parallel: 1, queue: 5 }).of('h.example')
    const first = request()
    const running = gate.pass(patient, () => first.promise)
    const impatient = new AbortController()
    const left = gate.pass(impatient.signal, async () => 'never')
    const next = gate.pass(patient, async () => 'next')
    impatient.abort(new Error('gone'))
    expect(await failureOf(left)).toMatchObject({ message: 'gone' })
    first.end()
    expect(await Promise.all([running, next])).toEqual(['done', 'next'])
    expect(await gate.pass(patient, async () => 'free')).toBe('free')
  })

  test('of one host knows nothing of another', () => {
    const gates = new HostGates()
    expect(gates.of('a.example')).toBe(gates.of('a.example'))
    expect(gates.of('a.example')).not.toBe(gates.of('b.example'))
  })
})
