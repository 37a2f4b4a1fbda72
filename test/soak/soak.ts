import { join } from 'node:path'
import { Growth } from './growth.ts'
import { type OperationName, perform, WEIGHTS, type Weights } from './operations.ts'
import { Oracle } from './oracle.ts'
import { World } from './world.ts'

/** Operations between two looks at everything. */
const PER_LOOK = 25

/** How long a soak is: until a time (milliseconds, as `Date.now()`), or a number of operations. */
export interface SoakLength {
  readonly until?: number
  readonly operations?: number
}

/** What a soak did. */
export interface SoakReport {
  readonly operations: Readonly<Record<string, number>>
  readonly kills: number
  /** Archives whose bytes were compared with what they must be. */
  readonly compared: number
  readonly growth: readonly string[]
}

/**
 * Does operations at random and compares the server with a model of what it promises, after each and from time to time
 * altogether. Throws the first difference, with the operations before it.
 */
export async function soak(
  seed: number,
  length: SoakLength,
  { tell = () => {}, weights = WEIGHTS }: { tell?: (line: string) => void; weights?: Weights } = {},
) {
  const world = await World.open(seed)
  const growth = new Growth(() => world.pid, join(world.installation.directory, 'data'))
  const oracle = new Oracle(world)
  const done: OperationName[] = []
  try {
    while (
      (length.until ?? Number.POSITIVE_INFINITY) > Date.now() &&
      done.length < (length.operations ?? Number.POSITIVE_INFINITY)
    ) {
      const name = world.random.weighted(weights)
      done.push(name)
      await perform(name, world)
      await oracle.look(world.random.pick(world.model.packages))
      if (done.length % PER_LOOK !== 0) continue
      await oracle.lookAtAll()
      tell(`${done.length} operations, ${world.kills} crashes, ${oracle.compared} archives compared`)
    }
    await oracle.lookAtAll()
    await verified(world)
    return {
      operations: counted(done),
      kills: world.kills,
      compared: oracle.compared,
      growth: growth.report(),
    } satisfies SoakReport
  } catch (error) {
    growth.report()
    const before = done.slice(-10).join(', ')
    throw new Error(`seed ${seed}, operation ${done.length} (after ${before}): ${String(error)}`, { cause: error })
  } finally {
    await world.close()
  }
}

/** What `verify` says of the data when everything is over. */
async function verified(world: World): Promise<void> {
  const { code, stdout, stderr } = await world.installation.run(['verify'])
  if (code !== 0) throw new Error(`verify: ${stdout}${stderr}`)
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
