import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BunPlugin } from 'bun'
import packageJson from '../package.json' with { type: 'json' }
import type { BuildFacts } from './build-info.ts'
import { embedNativePart } from './release/embed-native-part.ts'
import { Lock, type LockedPackage } from './release/lock-file.ts'
import { fetchedPackage, TARGETS } from './release/parts.ts'
import { billOfMaterials, type Component } from './release/sbom.ts'

/*
 * Builds `dist/package-broker` as one executable: `bun src/build.ts [target] [outfile] [sbomfile]`. Targets are Bun's
 * (`--targets` lists them); what another platform than this one needs is fetched from the npm registry.
 * The same sources give the same bytes, wherever they are, as long as the name of the file is the same.
 */

const root = join(import.meta.dir, '..')
const cache = join(root, '.bun/platforms')
const [target = hostTarget(), outfile = join(root, 'dist/package-broker'), sbomFile] = process.argv.slice(2)
if (target === '--targets') console.log(Object.keys(TARGETS).join('\n'))
else await build(target, outfile)

async function build(target: string, outfile: string): Promise<void> {
  const parts = TARGETS[target]
  if (parts === undefined) throw new Error(`TARGET ${target} is none of ${Object.keys(TARGETS).join(', ')}.`)
  const { bun } = packageJson.engines
  if (Bun.version !== bun) throw new Error(`Bun ${Bun.version} is not the pinned ${bun}.`)
  const lockText = await Bun.file(join(root, 'bun.lock')).text()
  const lock = new Lock(lockText)
  const native = { ...lock.at(parts.nativePart), directory: await nativePart(lock.at(parts.nativePart)) }
  const runtime = { name: parts.runtime, version: bun, integrity: parts.runtimeIntegrity, asksFor: [] }
  // This very program is the runtime for this machine.
  const fetched = target === hostTarget() ? null : await fetchedPackage(cache, runtime)
  const plugin = embedNativePart(native.name, native.directory)
  const facts = { commit: commit(), target, lock: createHash('sha256').update(lockText).digest('hex') }
  const components = await bundledComponents(lock, plugin)
  components.push({ ...runtime, licence: 'MIT' }, { ...native, licence: await licenceIn(native.directory) })
  const sbom = billOfMaterials({ ...product(), facts: told(facts) }, components)
  await compile({ plugin, facts, sbom, target, outfile, executablePath: fetched && join(fetched, 'bin/bun') })
  if (sbomFile !== undefined) await Bun.write(sbomFile, sbom)
  console.log(outfile)
}

interface Compilation {
  readonly plugin: BunPlugin
  readonly facts: BuildFacts
  readonly sbom: string
  readonly target: string
  readonly outfile: string
  readonly executablePath: string | null
}

async function compile({ plugin, facts, sbom, target, outfile, executablePath }: Compilation): Promise<void> {
  const result = await Bun.build({
    entrypoints: [join(root, 'src/main.ts')],
    target: 'bun',
    // Identifiers keep their names: Elysia reads the source of handlers, and shorter names break them.
    minify: { whitespace: true, syntax: true, identifiers: false },
    plugins: [plugin],
    define: { PACKAGE_BROKER_BUILD: JSON.stringify(facts), PACKAGE_BROKER_SBOM: JSON.stringify(sbom) },
    compile: {
      target: target as Bun.Build.CompileTarget,
      outfile,
      ...(executablePath === null ? {} : { executablePath }),
      assets: ['drizzle', 'src/http/system/api-page'],
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  })
  for (const log of result.logs) console.warn(String(log))
  if (!result.success) throw new Error('The build failed.')
}

/** The packages whose files are in the executable, as bun.lock has them: those of development are not, nor are types. */
async function bundledComponents(lock: Lock, plugin: BunPlugin): Promise<Component[]> {
  const entrypoints = [join(root, 'src/main.ts')]
  const { metafile } = await Bun.build({ entrypoints, target: 'bun', plugins: [plugin], metafile: true })
  const places = new Set<string>()
  for (const input of Object.keys(metafile?.inputs ?? {})) {
    const [, ...packages] = input.split('node_modules/')
    const names = packages.map((path) => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? '')
    if (names.length > 0 && !input.endsWith('.node')) places.add(names.join('/'))
  }
  if (places.size === 0) throw new Error('Bun tells no longer what it has bundled.')
  const directoryOf = (place: string, name: string) =>
    place === name ? name : `${place.slice(0, -name.length)}node_modules/${name}`
  return Promise.all(
    [...places].map(async (place) => {
      const locked = lock.at(place)
      const directory = join(root, 'node_modules', directoryOf(place, locked.name))
      return { ...locked, licence: await licenceIn(directory) }
    }),
  )
}

async function licenceIn(directory: string): Promise<string | null> {
  const { license } = (await Bun.file(join(directory, 'package.json')).json()) as { license?: unknown }
  return typeof license === 'string' ? license : null
}

function product() {
  const { name, version, description, license: licence } = packageJson
  return { name, version, description, licence }
}

function told(facts: BuildFacts): Record<string, string> {
  const { commit, target, lock } = facts
  return { ...(commit === null ? {} : { commit }), target, 'bun.lock SHA-256': lock }
}

/** The commit that is built, null outside of a git repository. */
function commit(): string | null {
  const git = (...args: string[]) => Bun.spawnSync(['git', ...args], { cwd: root, stderr: 'ignore' })
  if (Bun.which('git') === null) return null
  const head = git('rev-parse', 'HEAD')
  if (!head.success) return null
  const changed = git('status', '--porcelain', '--untracked-files=no').stdout.length > 0
  return `${head.stdout.toString().trim()}${changed ? '-dirty' : ''}`
}

function hostTarget(): string {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  const musl = process.platform === 'linux' && report.header.glibcVersionRuntime === undefined
  return `bun-${process.platform}-${process.arch}${musl ? '-musl' : ''}`
}

/** The directory of libSQL's native part, fetched when it is for another platform. */
async function nativePart(part: LockedPackage): Promise<string> {
  const installed = join(root, 'node_modules', part.name)
  return existsSync(installed) ? installed : fetchedPackage(cache, part)
}
