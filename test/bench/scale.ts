import { type Broker, startBroker } from './broker.ts'
import type { Stage } from './documents.ts'
import { alternate, type Finding, type Row } from './report.ts'
import { SHOP_TOKEN, type Size, seed, tokenId, tokenValue, WIDE_TOKENS } from './scale-data.ts'

const SMALL: Size = { tokens: 500, packages: 200, versionsEach: 10 }
const LARGE: Size = { tokens: 50_000, packages: 20_000, versionsEach: 10 }
const ROUNDS = 15
const STARTS = 5
/** What still counts as flat: a hundred times the data takes at most this many times as long. */
const GOAL = 3

/** An installation of one size, running. */
interface Seeded {
  readonly size: Size
  readonly data: string
  readonly broker: Broker
  /** Milliseconds of a request until its body is there, as this token or as administrator. */
  ask(path: string, token?: string): Promise<number>
}

/** A figure; `round` counts from 0, so that each round can ask for something that no round before did. */
type Measure = (at: Seeded, round: number) => Promise<number>

const FIGURES: Readonly<Record<string, Measure>> = {
  'tokens, first page': ({ ask }) => ask('/api/tokens'),
  'tokens of one customer': ({ ask, size }, round) => ask(`/api/tokens?customer_id=cus_${(size.tokens >> 2) + round}`),
  'tokens by permissions': ({ ask }) => ask('/api/tokens?permissions=readonly'),
  'tokens, page at 90 %': ({ ask, size }) => ask(`/api/tokens?cursor=${tokenId(size.tokens * 0.9 - 150)}`),
  'tokens, first page, as a shop': ({ ask }) => ask('/api/tokens', SHOP_TOKEN),
  'tokens of one customer, as a shop': ({ ask, size }, round) =>
    ask(`/api/tokens?customer_id=cus_${(size.tokens >> 2) + round}`, SHOP_TOKEN),
  'packages, first page': ({ ask }) => ask('/api/packages'),
  'packages, a rare text': ({ ask, size }, round) => ask(`/api/packages?q=package-${size.packages - 1 - round}`),
  'packages, a text that all have': ({ ask }) => ask('/api/packages?q=vendor'),
  'packages, two letters': ({ ask }) => ask('/api/packages?q=99'),
  'packages, by type': ({ ask }) => ask('/api/packages?type=composer-plugin&limit=20'),
  'packages of a prefix token': ({ ask, size }, round) => ask('/api/packages', prefixed(size, round)),
  'first request of a token': ({ ask, size }, round) => ask('/p2/nobody/nothing.json', prefixed(size, 100 + round)),
  'root document, all packages, first time': ({ ask }, round) => ask('/packages.json', tokenValue(round)),
  'root document, one vendor, first time': ({ ask, size }, round) =>
    ask('/packages.json', tokenValue(size.tokens - 1 - round)),
  'root document, again': ({ ask }) => ask('/packages.json', tokenValue(0)),
}

/** What a hundred times the tokens and packages costs, as a multiple of the same figure without them. */
export async function measureScale({ work }: Stage, executable: string): Promise<Finding> {
  const small = await startSeeded(executable, work, 'small', SMALL)
  const large = await startSeeded(executable, work, 'large', LARGE)
  const rows: Row[] = []
  try {
    for (const [what, measure] of Object.entries(FIGURES)) rows.push(await compared(what, measure, large, small))
  } finally {
    await large.broker.stop()
    await small.broker.stop()
  }
  const start = (data: string) => async () => {
    const broker = await startBroker(executable, work, { DATA_DIR: data })
    await broker.stop()
    return broker.startMs
  }
  rows.push(row('exec to first answer', await alternate(STARTS, start(large.data), start(small.data))))
  const shown = ({ tokens, packages }: Size) => `${tokens} tokens and ${packages} packages`
  return {
    rows,
    commands: [`scale: ${shown(LARGE)} against ${shown(SMALL)}, ${LARGE.versionsEach} versions each; ${ROUNDS} rounds`],
  }
}

async function startSeeded(executable: string, work: string, name: string, size: Size): Promise<Seeded> {
  const data = await seed(work, name, size)
  const broker = await startBroker(executable, work, { DATA_DIR: data })
  return {
    size,
    data,
    broker,
    async ask(path, token) {
      const started = performance.now()
      if (token === undefined) await broker.api('GET', path)
      else await (await fetch(broker.url + path, { headers: { Authorization: `Bearer ${token}` } })).arrayBuffer()
      return performance.now() - started
    },
  }
}

/** Value of a token that sees one vendor; another one for each `nth`. */
function prefixed({ tokens }: Size, nth: number): string {
  return tokenValue(WIDE_TOKENS + (nth % (tokens - WIDE_TOKENS)))
}

async function compared(what: string, measure: Measure, large: Seeded, small: Seeded): Promise<Row> {
  const counted = (at: Seeded) => {
    let round = 0
    return () => measure(at, round++)
  }
  return row(what, await alternate(ROUNDS, counted(large), counted(small)))
}

function row(what: string, { ours, theirs, ratio }: { ours: number; theirs: number; ratio: number }): Row {
  return {
    what: `scale: ${what}`,
    ours: `${ours.toFixed(1)} ms`,
    theirs: `small ${theirs.toFixed(1)} ms`,
    result: `× ${ratio.toFixed(2)}`,
    goal: `≤ ${GOAL}`,
    met: ratio <= GOAL,
  }
}
