import { startBroker } from './broker.ts'
import { type Finding, median } from './report.ts'

const GOAL_MS = 300
const GOAL_BYTES = 90_000_000
const ROUNDS = 7

/** Time from exec to the first answer, and memory of a server that has nothing to do yet. */
export async function measureStart(executable: string, work: string): Promise<Finding> {
  const times: number[] = []
  const sizes: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const broker = await startBroker(executable, work)
    await Bun.sleep(1_000)
    times.push(broker.startMs)
    sizes.push(broker.memory().resident)
    await broker.stop()
  }
  const time = median(times)
  const size = median(sizes)
  return {
    rows: [
      {
        what: 'exec to first answer',
        ours: `${Math.min(...times).toFixed(0)}–${Math.max(...times).toFixed(0)} ms`,
        theirs: '–',
        result: `${time.toFixed(0)} ms`,
        goal: `≤ ${GOAL_MS} ms`,
        met: time <= GOAL_MS,
      },
      {
        what: 'idle resident memory',
        ours: `${(Math.min(...sizes) / 1e6).toFixed(0)}–${(Math.max(...sizes) / 1e6).toFixed(0)} MB`,
        theirs: '–',
        result: `${(size / 1e6).toFixed(1)} MB`,
        goal: `< ${GOAL_BYTES / 1e6} MB`,
        met: size < GOAL_BYTES,
      },
    ],
    commands: [
      `start: ${ROUNDS} starts of the executable in empty directories; VmRSS one second after the first answer`,
    ],
  }
}
