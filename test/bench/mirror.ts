import { join } from 'node:path'
import { manyPackages } from '../support/upstream/packages.ts'
import { type Packagist, startPackagist } from '../support/upstream/packagist.ts'
import { type Broker, startBroker } from './broker.ts'
import { composer, project, type Server } from './composer-client.ts'
import { compareRates, type Stage } from './documents.ts'
import { alternate, type Finding, type Row } from './report.ts'
import { createLongHistory } from './repositories.ts'
import { type Load, shownCommand } from './wrk.ts'

const PACKAGES = 100
const DELAY_MS = 50
const ROUNDS = 5
/** So many versions of each give documents of the same size: more is said of a version of an upstream. */
const OWNED = 400
const MIRRORED = 230

/** What it costs to have another repository behind this one: a warm document, and installs cold and warm. */
export async function measureMirror(stage: Stage, executable: string): Promise<Finding> {
  const document = await measureDocument(stage)
  const packages = manyPackages(PACKAGES)
  const names = packages.map(({ name }) => name)
  const upstream = await startPackagist({ packages, delayMs: DELAY_MS })
  try {
    const direct: Server = { url: upstream.url, token: null }
    const cold = await alternate(
      ROUNDS,
      () => throughNewBroker(stage, executable, upstream, names),
      () => timed(stage.work, direct, names),
    )
    await addUpstream(stage.broker, upstream.url)
    const us: Server = { url: stage.broker.url, token: stage.token }
    await timed(stage.work, us, names)
    const warm = await alternate(
      ROUNDS,
      () => timed(stage.work, us, names),
      () => timed(stage.work, direct, names),
    )
    return {
      rows: [
        document.row,
        installRow('nothing known here', cold, 1.15),
        installRow('everything known here', warm, 0.5),
      ],
      commands: [document.command, 'composer install without a lock file, each with an empty COMPOSER_HOME and cache'],
    }
  } finally {
    await upstream.stop()
  }
}

/** A document of an upstream against one of ours of the same size. */
async function measureDocument({ broker, work, token }: Stage): Promise<{ row: Row; command: string }> {
  const repository = join(work, 'repositories/owned-document')
  createLongHistory(repository, { name: 'owned/document', releases: OWNED, manifests: 40, branches: 5, files: 20 })
  await broker.addRepository(repository)
  const versions = Array.from({ length: MIRRORED }, (_, index) => `1.${index}.0`)
  const upstream = await startPackagist({ packages: [{ name: 'mirrored/document', versions }] })
  try {
    await addUpstream(broker, upstream.url, { fresh_for: 3_600, package_filter: 'mirrored/*' })
    const headers = { Authorization: `Bearer ${token}`, 'Accept-Encoding': 'gzip' }
    const load = (name: string): Load => ({
      ...{ url: `${broker.url}/p2/${name}/document.json?minified=1`, headers },
      ...{ connections: 32, seconds: 2 },
    })
    const { ours, theirs, ratio } = await compareRates(load('mirrored'), load('owned'))
    const row = {
      what: `warm p2 document of an upstream, ${MIRRORED} versions`,
      ours: `${ours.toFixed(0)} requests/s`,
      theirs: `owned one of the same size ${theirs.toFixed(0)} requests/s`,
      ...{ result: ratio.toFixed(2), goal: '≥ 0.95', met: ratio >= 0.95 },
    }
    return { row, command: shownCommand(load('mirrored')) }
  } finally {
    await upstream.stop()
  }
}

async function throughNewBroker(
  { work }: Stage,
  executable: string,
  upstream: Packagist,
  names: readonly string[],
): Promise<number> {
  const broker = await startBroker(executable, work)
  try {
    await addUpstream(broker, upstream.url)
    return await timed(work, { url: broker.url, token: await broker.readonlyToken() }, names)
  } finally {
    await broker.stop()
  }
}

/** Adds an upstream and waits for the first look at it. */
async function addUpstream(broker: Broker, url: string, settings: object = {}): Promise<void> {
  const { id } = (await broker.api('POST', '/api/repositories', { url, vcs_type: 'composer', ...settings })) as {
    id: string
  }
  for (;;) {
    const row = (await broker.api('GET', `/api/repositories/${id}`)) as { status: string; error_message: string }
    if (row.status === 'active') return
    if (row.status === 'error') throw new Error(`${url} could not be read: ${row.error_message}`)
    await Bun.sleep(20)
  }
}

/** Milliseconds of an install without a lock file, in a fresh project. */
async function timed(work: string, server: Server, names: readonly string[]): Promise<number> {
  const home = project(work, server, names)
  const started = performance.now()
  await composer(home, ['install', '--no-progress'])
  return performance.now() - started
}

function installRow(
  what: string,
  { ours, theirs, ratio }: { ours: number; theirs: number; ratio: number },
  goal: number,
): Row {
  return {
    what: `composer install, ${PACKAGES} packages of an upstream ${DELAY_MS} ms away, ${what}`,
    ours: `${ours.toFixed(0)} ms`,
    theirs: `direct ${theirs.toFixed(0)} ms`,
    ...{ result: ratio.toFixed(2), goal: `≤ ${goal}`, met: ratio <= goal },
  }
}
