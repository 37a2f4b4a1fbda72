import { LONG_LIVES } from './operations.ts'
import { soak } from './soak.ts'

/** `bun test/soak/main.ts [MINUTES] [SEED]`: random operations against a model, 30 minutes unless said. */
const [minutes = '30', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2)
console.log(`soak of ${minutes} minutes with seed ${seed}`)
const until = Date.now() + Number(minutes) * 60_000
const report = await soak(Number(seed), { until }, { tell: (line) => console.log(line), weights: LONG_LIVES })
console.log(JSON.stringify(report.operations))
console.log(`${report.kills} crashes, ${report.compared} archives compared, none lost, none with other bytes`)
for (const line of report.growth) console.log(line)
