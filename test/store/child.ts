import { Database } from 'bun:sqlite'
import { openDatabase } from '../../src/store/database.ts'
import { lockInstance } from '../../src/store/instance-lock.ts'
import { JobTable } from '../../src/store/jobs.ts'
import { migrate } from '../../src/store/migrate.ts'

/*
 * A second process for tests: `bun child.ts <what> <url or path> …`. Prints one line when it is where the test wants it.
 */
const [what = '', place = '', extra = ''] = process.argv.slice(2)
const address = { url: place, authToken: null }

async function instruction(): Promise<void> {
  for await (const _ of console) return
}

/** Claims jobs until there are none and prints those it finished, or dies with the first in its hands. */
async function work(jobs: JobTable): Promise<void> {
  const done: string[] = []
  for (let idle = 0; idle < 5; ) {
    const now = Math.floor(Date.now() / 1000)
    const job = await jobs.claim(`child-${process.pid}`, now, now + 60).catch(() => undefined)
    if (job === undefined) continue
    if (job === null) {
      idle++
      await Bun.sleep(20)
      continue
    }
    idle = 0
    done.push(job.repositoryId)
    while (!(await jobs.finish(job, null, now).catch(() => false))) await Bun.sleep(5)
  }
  console.log(JSON.stringify(done))
}

if (what === 'hold') {
  const database = new Database(place)
  database.run('BEGIN IMMEDIATE')
  console.log('held')
  await instruction()
  database.run('ROLLBACK')
  database.close()
  console.log('freed')
} else if (what === 'read') {
  console.log(JSON.stringify(new Database(place, { readonly: true }).query(extra).values()))
} else if (what === 'migrate') {
  console.log('ready')
  await instruction()
  console.log(await migrate(address))
} else if (what === 'lock') {
  await lockInstance([place], 'a test')
  console.log('locked')
  await instruction()
} else if (what === 'work') {
  await work(new JobTable(await openDatabase(address)))
} else if (what === 'claim') {
  const now = Number(extra)
  const job = await new JobTable(await openDatabase(address)).claim('dead worker', now, now + 60)
  console.log(JSON.stringify(job))
  await instruction()
}
