import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { type ApiDocument, operationsOf, readDocument } from '../support/contract/document.ts'
import { type FuzzReport, fuzz } from '../support/contract/fuzz.ts'
import { ContractWorld } from '../support/contract/world.ts'

/**
 * Requests made from the document, right and wrong, against a listening server. `FUZZ_MINUTES` goes on with new seeds
 * for that long; `FUZZ_SEED` repeats a run.
 */
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0)
const SEED = Number(process.env.FUZZ_SEED ?? (MINUTES > 0 ? Date.now() % 2 ** 31 : 20_240_601))
const ROUNDS = 100

setDefaultTimeout(60_000 * (MINUTES + 2))

let world: ContractWorld
let api: ApiDocument

beforeAll(async () => {
  world = await ContractWorld.start()
  api = await readDocument(world.app)
})

afterAll(() => world?.stop())

const asText = ({ seen }: FuzzReport) =>
  [...seen].map(
    ([name, statuses]) => `${name}: ${[...statuses].map(([status, times]) => `${status}×${times}`).join(' ')}`,
  )

test('every answer is what the document says', async () => {
  const end = Date.now() + MINUTES * 60_000
  let seed = SEED
  do {
    const report = await fuzz(world, api, seed, ROUNDS)
    if (report.problems.length > 0 || MINUTES > 0) {
      console.log(`seed ${seed}: ${report.requests} requests\n${asText(report).join('\n')}`)
    }
    expect({ seed, problems: report.problems.join('\n\n') }).toEqual({ seed, problems: '' })
    if (seed === SEED) expectCovered(report)
    seed += 1_000
  } while (Date.now() < end)
})

/** A run that is only refused would prove nothing: each operation has to succeed, and each refusal to occur. */
function expectCovered({ seen, requests }: FuzzReport): void {
  const operations = operationsOf(api)
  expect(requests).toBeGreaterThan((operations.length * ROUNDS) / 2)
  const statuses = (name: string) => [...(seen.get(name)?.keys() ?? [])]
  const names = operations.map(({ operation }) => operation.operationId)
  expect(names.filter((name) => !statuses(name).some((status) => status < 300))).toEqual([])
  const secured = operations.filter(({ operation }) => operation.security?.length)
  expect(secured.map(({ operation }) => operation.operationId).filter((id) => !statuses(id).includes(401))).toEqual([])
  const bodies = secured.filter(({ operation }) => operation.requestBody)
  expect(bodies.map(({ operation }) => operation.operationId).filter((id) => !statuses(id).includes(400))).toEqual([])
}
