import { ComposerProject } from '../support/composer-project.ts'
import { libraryZip } from '../support/zip-builder.ts'
import type { GitPackageModel, TokenModel } from './model.ts'
import { sha256, type World } from './world.ts'

/** Tags below this number are not deleted: a listing that lost most of its refs is refused, which is another promise. */
const FEWEST_TAGS = 6

/** How often each operation happens, against the others. */
export const WEIGHTS = {
  publish: 8,
  push: 4,
  moveTag: 2,
  restoreTag: 2,
  deleteTag: 2,
  webhook: 3,
  upload: 4,
  uploadAgain: 2,
  mint: 3,
  rotate: 2,
  revoke: 2,
  fault: 3,
  kill: 1,
  killWhileWriting: 1,
  restart: 1,
  rotateKey: 0.5,
  install: 1,
} as const

/** One thing that is done to the server. */
export type OperationName = keyof typeof WEIGHTS

/** How often each is done, against the others. */
export type Weights = Readonly<Record<OperationName, number>>

/** The same with few ends of the server: what grows shows in a process that lives for minutes. */
export const LONG_LIVES: Weights = { ...WEIGHTS, kill: 0.06, killWhileWriting: 0.06, restart: 0.03 }

/** Does one operation and tells the model; throws when the server does not do what it promises. */
export async function perform(name: OperationName, world: World): Promise<void> {
  const entry = world.random.pick(world.model.packages)
  switch (name) {
    case 'publish':
    case 'push':
      return commit(world, entry, name === 'publish')
    case 'moveTag':
    case 'restoreTag':
    case 'deleteTag':
      return changeTag(world, entry, name)
    case 'webhook':
      return webhook(world, entry)
    case 'upload':
    case 'uploadAgain':
      return upload(world, name === 'uploadAgain')
    case 'mint':
      return void (await mint(world))
    case 'rotate':
    case 'revoke':
      return changeToken(world, name)
    case 'fault':
      return fault(world, entry)
    case 'kill':
      return kill(world, entry)
    case 'killWhileWriting':
      return killWhileWriting(world)
    case 'restart':
      return world.restart()
    case 'rotateKey':
      return void (await world.json('/api/encryption-key/rotation', { method: 'POST' }))
    case 'install':
      return install(world, entry)
  }
}

async function commit(world: World, entry: GitPackageModel, tagged: boolean): Promise<void> {
  const git = world.gitOf(entry)
  git.commit({ files: world.files(entry.name) })
  entry.head = git.resolve('main')
  if (tagged) {
    const tag = `1.${entry.versions.size}.0`
    git.tag(tag, 'main')
    entry.tags.set(tag, entry.head)
  }
  await world.settle(entry)
}

async function changeTag(world: World, entry: GitPackageModel, how: 'moveTag' | 'restoreTag' | 'deleteTag') {
  if (entry.versions.size === 0) return
  const git = world.gitOf(entry)
  const [tag, { reference }] = world.random.pick([...entry.versions])
  if (how === 'deleteTag') {
    if (!entry.tags.has(tag) || entry.tags.size <= FEWEST_TAGS) return
    git.deleteTag(tag)
    entry.tags.delete(tag)
  } else {
    const commit = how === 'restoreTag' ? reference : world.random.pick([...entry.references])
    git.tag(tag, commit)
    entry.tags.set(tag, commit)
  }
  await world.settle(entry)
}

async function webhook(world: World, entry: GitPackageModel): Promise<void> {
  const git = world.gitOf(entry)
  git.commit({ files: world.files(entry.name) })
  entry.head = git.resolve('main')
  const responses = await Promise.all([world.deliver(entry), world.deliver(entry)])
  for (const { status } of responses) if (status !== 202) throw new Error(`a webhook was answered ${status}`)
  if ((await world.idle(entry.repositoryId)) !== 'active') throw new Error(`${entry.name} failed after a webhook`)
  entry.synced()
}

async function upload(world: World, again: boolean): Promise<void> {
  const { uploads } = world.model
  const version = again && uploads.size > 0 ? world.random.pick([...uploads.keys()]) : `2.${uploads.size}.0`
  const known = uploads.get(version)
  const bytes = libraryZip(
    { name: 'soak/upload', version },
    known === undefined ? String(world.random.next()) : 'other',
  )
  const { status } = await put(world, bytes)
  if (known !== undefined) {
    if (status !== 409) throw new Error(`other bytes of ${version} were answered ${status}`)
    return
  }
  if (status !== 201) throw new Error(`an upload was answered ${status}`)
  uploads.set(version, sha256(bytes))
  const repeated = await put(world, bytes)
  if (!repeated.ok) throw new Error(`the same upload again was answered ${repeated.status}`)
}

function put(world: World, body: Uint8Array<ArrayBuffer>): Promise<Response> {
  return world.ask(`/api/repositories/${world.uploadsId}/artifacts`, {
    method: 'PUT',
    body,
    headers: { 'Content-Type': 'application/zip' },
  })
}

async function mint(world: World): Promise<TokenModel> {
  const body = JSON.stringify({ permissions: 'readonly', allowed_package_prefixes: ['soak/'], rate_limit_max: 0 })
  const { id, token } = await world.json<{ id: string; token: string }>('/api/tokens', { method: 'POST', body })
  const made = { id, value: token, dead: [], alive: true }
  world.model.tokens.push(made)
  return made
}

async function changeToken(world: World, how: 'rotate' | 'revoke'): Promise<void> {
  const living = world.model.tokens.filter(({ alive }) => alive)
  const token = living.length > 0 ? world.random.pick(living) : await mint(world)
  if (how === 'revoke') {
    await world.json(`/api/tokens/${token.id}`, { method: 'DELETE' })
    token.alive = false
    return
  }
  const rotated = await world.json<{ token: string }>(`/api/tokens/${token.id}/rotate`, { method: 'POST' })
  token.dead.push(token.value)
  token.value = rotated.token
}

/** A sync that meets a broken host changes nothing; the next one finds everything as it is. */
async function fault(world: World, entry: GitPackageModel): Promise<void> {
  const broken = [
    () => new Response('no', { status: 503 }),
    () => new Response('no', { status: 404 }),
    () => new Response('<html>login</html>', { headers: { 'Content-Type': 'text/html' } }),
    async (_: Request, forward: () => Promise<Response>) => {
      const response = await forward()
      const bytes = await response.bytes()
      return new Response(bytes.slice(0, Math.floor(bytes.length / 2)), { headers: response.headers })
    },
  ]
  const git = world.gitOf(entry)
  git.commit({ files: world.files(entry.name) })
  entry.head = git.resolve('main')
  world.front.fault = world.random.pick(broken)
  await world.json(`/api/repositories/${entry.repositoryId}/sync`, { method: 'POST' })
  const status = await world.idle(entry.repositoryId)
  if (status !== 'error') throw new Error(`a sync of a broken host ended as ${status}`)
  await world.settle(entry)
}

/** Crashes while a package is being read. */
async function kill(world: World, entry: GitPackageModel): Promise<void> {
  const git = world.gitOf(entry)
  git.commit({ files: world.files(entry.name) })
  entry.head = git.resolve('main')
  await world.json(`/api/repositories/${entry.repositoryId}/sync`, { method: 'POST' })
  await Bun.sleep(world.random.next() * 80)
  await world.kill()
  await world.settle(entry)
}

/** Crashes while tokens are made: those that were acknowledged are there afterwards. */
async function killWhileWriting(world: World): Promise<void> {
  let going = true
  const writing = (async () => {
    while (going) await mint(world).catch(() => null)
  })()
  await Bun.sleep(50 + world.random.next() * 200)
  going = false
  await world.kill()
  await writing
}

/** What a person does: the newest version is installed. */
async function install(world: World, entry: GitPackageModel): Promise<void> {
  const project = ComposerProject.create({
    repositories: [world.url],
    require: { [entry.name]: 'dev-main' },
    tokens: { [world.url]: world.readerToken },
  })
  try {
    const { code, output } = await project.run('install', '--no-progress')
    if (code !== 0) throw new Error(`composer install of ${entry.name}: ${output}`)
    const lock = JSON.parse(project.read('composer.lock')) as { packages: { dist: { reference: string } }[] }
    if (lock.packages[0]?.dist.reference !== entry.branch) throw new Error(`composer locked another commit: ${output}`)
  } finally {
    project.remove()
  }
}
