import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BunPlugin } from 'bun'

/**
 * Builds `dist/package-broker` as one executable: `bun src/build.ts [target] [outfile]`. Targets are Bun's; each needs
 * libSQL's native part for its platform, which is fetched from the npm registry when it is not installed.
 */
const NATIVE_PARTS: Readonly<Record<string, string>> = {
  'bun-linux-x64': 'linux-x64-gnu',
  'bun-linux-x64-baseline': 'linux-x64-gnu',
  'bun-linux-x64-musl': 'linux-x64-musl',
  'bun-linux-arm64': 'linux-arm64-gnu',
  'bun-linux-arm64-musl': 'linux-arm64-musl',
  'bun-darwin-x64': 'darwin-x64',
  'bun-darwin-arm64': 'darwin-arm64',
}

const root = join(import.meta.dir, '..')
const [target = hostTarget(), outfile = join(root, 'dist/package-broker')] = process.argv.slice(2)
await build(target, outfile)

async function build(target: string, outfile: string): Promise<void> {
  const part = NATIVE_PARTS[target]
  if (part === undefined) throw new Error(`TARGET ${target} is none of ${Object.keys(NATIVE_PARTS).join(', ')}.`)
  const result = await Bun.build({
    entrypoints: [join(root, 'src/main.ts')],
    target: 'bun',
    // Identifiers keep their names: Elysia reads the source of handlers, and shorter names break them.
    minify: { whitespace: true, syntax: true, identifiers: false },
    plugins: [embedNativePart(part, await nativePart(part))],
    compile: {
      target: target as Bun.Build.CompileTarget,
      outfile,
      assets: ['drizzle', 'src/http/system/api-page'],
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  })
  for (const log of result.logs) console.warn(String(log))
  if (!result.success) throw new Error('The build failed.')
  console.log(outfile)
}

function hostTarget(): string {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  const musl = process.platform === 'linux' && report.header.glibcVersionRuntime === undefined
  return `bun-${process.platform}-${process.arch}${musl ? '-musl' : ''}`
}

/** The directory of `@libsql/<part>`, fetched at the version libsql asks for when it is not installed. */
async function nativePart(part: string): Promise<string> {
  const installed = join(root, 'node_modules/@libsql', part)
  if (existsSync(installed)) return installed
  const libsql = (await Bun.file(join(root, 'node_modules/libsql/package.json')).json()) as {
    optionalDependencies: Record<string, string>
  }
  const version = libsql.optionalDependencies[`@libsql/${part}`]
  if (version === undefined) throw new Error(`libsql has no native part ${part}.`)
  const cache = join(root, '.bun/native', `${part}-${version}`)
  const fetched = join(cache, 'node_modules/@libsql', part)
  if (existsSync(fetched)) return fetched
  mkdirSync(cache, { recursive: true })
  // --force: the point is a package for another platform than this one.
  const npm = Bun.spawnSync(
    ['npm', 'install', '--prefix', cache, '--no-save', '--force', '--ignore-scripts', `@libsql/${part}@${version}`],
    { stdout: 'ignore', stderr: 'pipe' },
  )
  if (npm.exitCode !== 0) throw new Error(`@libsql/${part} could not be fetched: ${npm.stderr.toString()}`)
  return fetched
}

/**
 * libsql requires its native part through a template string, which no bundler can follow. The expression is replaced
 * by a static path; a libsql without it stops the build.
 */
function embedNativePart(part: string, directory: string): BunPlugin {
  return {
    name: 'embed-libsql-native-part',
    setup(builder) {
      builder.onLoad({ filter: /[/\\]node_modules[/\\]libsql[/\\]index\.js$/ }, async ({ path }) => {
        if (dirname(path).includes('drizzle-orm')) return undefined
        const source = await Bun.file(path).text()
        const dynamic = ['return require(`@libsql/$', '{target}`);'].join('')
        if (!source.includes(dynamic)) throw new Error(`libsql no longer loads ${part} the way src/build.ts knows.`)
        const entry = join(directory, 'index.node')
        return { contents: source.replace(dynamic, `return require(${JSON.stringify(entry)});`), loader: 'js' }
      })
    },
  }
}
