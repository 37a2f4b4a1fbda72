import { copyFileSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { place, type Stage } from './documents.ts'
import { composerEnvironment } from './first-sync.ts'
import { alternate, type Finding, type Row } from './report.ts'
import { createPackages } from './repositories.ts'

const PACKAGES = 50
const ROUNDS = 5
const GOAL = 1.1

/** A server as a Composer project names it. */
export interface Server {
  readonly url: string
  readonly token: string | null
}

/** `composer update` and `install` with a cold cache, through us and from the same answers as files of nginx. */
export async function measureComposer(stage: Stage): Promise<Finding> {
  const { broker, nginx, token } = stage
  const packages = createPackages(join(stage.work, 'repositories'), PACKAGES)
  for (const { path } of packages) await broker.addRepository(path)
  const names = packages.map(({ name }) => name)
  const us: Server = { url: broker.url, token }
  const files: Server = { url: nginx.url, token: null }
  const ourLock = await lockOf(stage.work, us, names)
  await copyAnswers(stage, names, ourLock)
  const filesLock = await lockOf(stage.work, files, names)
  const update = await alternate(
    ROUNDS,
    () => run(stage.work, us, names, null),
    () => run(stage.work, files, names, null),
  )
  const install = await alternate(
    ROUNDS,
    () => run(stage.work, us, names, ourLock),
    () => run(stage.work, files, names, filesLock),
  )
  return {
    rows: [rowOf('update', update), rowOf('install', install)],
    commands: ['composer update --no-install · composer install, each with an empty COMPOSER_HOME and cache'],
  }
}

function rowOf(command: string, { ours, theirs, ratio }: { ours: number; theirs: number; ratio: number }): Row {
  return {
    what: `composer ${command}, ${PACKAGES} packages, cold cache`,
    ours: `${ours.toFixed(0)} ms`,
    theirs: `nginx ${theirs.toFixed(0)} ms`,
    result: ratio.toFixed(2),
    goal: `≤ ${GOAL}`,
    met: ratio <= GOAL,
  }
}

/** A lock file made through a server; after this the server is warm. */
async function lockOf(work: string, server: Server, names: readonly string[]): Promise<string> {
  const home = project(work, server, names)
  await composer(home, ['update', '--no-progress'])
  const installed = readdirSync(join(home, 'vendor/shop')).length
  if (installed !== names.length) throw new Error(`composer installed ${installed} of ${names.length} packages`)
  return join(home, 'composer.lock')
}

/** Milliseconds of an update, or with a lock file of an install, in a fresh project. */
async function run(work: string, server: Server, names: readonly string[], lock: string | null): Promise<number> {
  const home = project(work, server, names)
  if (lock !== null) copyFileSync(lock, join(home, 'composer.lock'))
  const started = performance.now()
  await composer(home, lock === null ? ['update', '--no-install', '--no-progress'] : ['install', '--no-progress'])
  return performance.now() - started
}

/** A fresh project that requires these packages. Its directory. */
export function project(work: string, { url, token }: Server, names: readonly string[]): string {
  const home = mkdtempSync(join(work, 'project-'))
  const project = {
    name: 'bench/project',
    repositories: [{ type: 'composer', url }, { packagist: false }],
    require: Object.fromEntries(names.map((name) => [name, '*'])),
    config: { 'secure-http': false },
  }
  writeFileSync(join(home, 'composer.json'), JSON.stringify(project))
  if (token !== null) {
    const basic = { [new URL(url).host]: { username: 'token', password: token } }
    writeFileSync(join(home, 'auth.json'), JSON.stringify({ 'http-basic': basic }))
  }
  return home
}

/** Runs composer in a project; throws with its output when it fails. */
export async function composer(home: string, args: readonly string[]): Promise<void> {
  const child = Bun.spawn(['composer', ...args], {
    cwd: home,
    env: composerEnvironment(home),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [output, problems] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (child.exitCode !== 0) throw new Error(`composer ${args[0]} failed: ${output}${problems}`)
}

/** Our answers as files below nginx's root, with its address in place of ours. */
async function copyAnswers(stage: Stage, names: readonly string[], lock: string): Promise<void> {
  const { broker, nginx, root, token } = stage
  const ask = async (path: string) => {
    const response = await fetch(broker.url + path, { headers: { Authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`${path}: ${response.status}`)
    return response
  }
  const documents = ['packages', ...names.flatMap((name) => [`p2/${name}`, `p2/${name}~dev`])]
  for (const document of documents) {
    const query = document === 'packages' ? '' : '?minified=1'
    const text = (await (await ask(`/${document}.json${query}`)).text()).replaceAll(broker.url, nginx.url)
    place(join(root, `${document}.json`), text)
    place(join(root, `${document}.json.gz`), Bun.gzipSync(Buffer.from(text), { level: 9 }))
  }
  const { packages } = (await Bun.file(lock).json()) as { packages: { dist: { url: string } }[] }
  for (const { dist } of packages) {
    const { pathname, search } = new URL(dist.url)
    place(join(root, decodeURIComponent(pathname)), await (await ask(pathname + search)).bytes())
  }
}
