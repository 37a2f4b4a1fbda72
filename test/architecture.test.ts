import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Who may import whom. A room is a folder of src or a file beside it; `ARCHITECTURE.md` shows the same table. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['build-info', 'commands'],
  build: ['build-info', 'release'],
  'build-info': [],
  release: [],
  commands: [
    'app',
    'bundle',
    'composer',
    'config',
    'data-directory',
    'errors',
    'maintenance',
    'observability',
    'printable',
    'sd-notify',
  ],
  bundle: ['composer', 'errors', 'mirror'],
  app: ['assembly', 'auth', 'config', 'doctor', 'foundation', 'http', 'life', 'mirror', 'store', 'sync'],
  assembly: [
    'archives',
    'auth',
    'config',
    'errors',
    'foundation',
    'http',
    'metric-samples',
    'mirror',
    'observability',
    'sources',
    'store',
    'sync',
  ],
  life: [
    'auth',
    'config',
    'data-directory',
    'foundation',
    'http',
    'maintenance',
    'mirror',
    'observability',
    'store',
    'sync',
    'upkeep',
  ],
  'metric-samples': ['foundation', 'observability', 'store'],
  doctor: ['config', 'errors', 'foundation', 'git', 'sources', 'store'],
  foundation: [
    'archives',
    'auth',
    'config',
    'data-directory',
    'errors',
    'maintenance',
    'observability',
    'sources',
    'store',
  ],
  http: [
    'archives',
    'assets',
    'auth',
    'composer',
    'errors',
    'maintenance',
    'mirror',
    'networks',
    'observability',
    'pacer',
    'sources',
    'store',
    'sync',
  ],
  sync: ['auth', 'composer', 'errors', 'observability', 'pacer', 'printable', 'sources', 'store'],
  maintenance: ['archives', 'auth', 'config', 'data-directory', 'errors', 'observability', 'store'],
  mirror: ['archives', 'composer', 'errors', 'observability', 'pacer', 'sources', 'store'],
  auth: ['composer', 'errors', 'observability', 'printable', 'store'],
  sources: ['errors', 'git', 'networks', 'pacer'],
  archives: ['errors', 'git', 'pacer'],
  store: ['assets', 'errors', 'pacer', 'printable'],
  git: ['errors', 'pacer', 'printable'],
  composer: ['errors', 'printable'],
  observability: ['errors', 'printable'],
  config: ['config-secrets', 'config-supervision', 'config-values', 'errors', 'networks'],
  'config-secrets': ['errors'],
  'config-supervision': ['errors'],
  'config-values': ['errors', 'networks'],
  networks: ['errors'],
  pacer: [],
  printable: [],
  assets: ['errors'],
  'data-directory': ['config', 'errors'],
  'sd-notify': ['errors'],
  upkeep: ['errors', 'observability'],
  errors: [],
}

/** Where a package or a global may be used. */
const ONLY_IN: readonly { readonly what: string; readonly pattern: RegExp; readonly where: RegExp }[] = [
  { what: 'elysia', pattern: /from 'elysia/, where: /^src\/http\// },
  { what: 'drizzle and libSQL', pattern: /from '(?:drizzle-orm|@libsql)/, where: /^src\/store\// },
  { what: 'calls of the C library', pattern: /from 'bun:ffi'/, where: /^src\/sd-notify\.ts$/ },
  { what: 'fflate', pattern: /from 'fflate'/, where: /^src\/archives\/zip\.ts$/ },
  { what: 'prom-client', pattern: /from 'prom-client'/, where: /^src\/observability\// },
  { what: 'process.env', pattern: /process\.env|Bun\.env/, where: /^src\/config\.ts$/ },
  { what: 'console', pattern: /\bconsole\./, where: /^src\/(?:commands\/|main\.ts|build\.ts)/ },
  {
    what: 'requests to other servers',
    // Not a method of that name, a type, or a part's own option.
    pattern:
      /(?<![\w.#]|async |private )fetch\((?![^()\n]*\) \{)|\b(?:globalThis|Bun|window|self)\.fetch|[=:] fetch\b(?!\.)/,
    where:
      /^src\/(?:sources\/upstream-http\.ts|commands\/(?:management-client|maintenance-client|local-server|healthcheck)\.ts)/,
  },
  { what: 'the resolver of names', pattern: /from 'node:dns|Bun\.dns/, where: /^src\/sources\/address-guard\.ts$/ },
  {
    // A socket that was inherited is handed on to the server in this process, on loopback.
    what: 'sockets',
    pattern: /Bun\.(?:connect|listen|udpSocket)/,
    where: /^src\/http\/inherited-socket\.ts$/,
  },
  {
    what: 'what is known of addresses',
    pattern: /from 'node:net'/,
    where: /^src\/(?:auth\/failed-logins|networks|http\/client-address|sources\/(?:upstream-http|address-guard))\.ts$/,
  },
  {
    what: 'child processes',
    pattern: /Bun\.spawn|node:child_process/,
    where: /^src\/(?:git\/program-|git\/local-|git\/ssh-|build\.ts|release\/parts\.ts)/,
  },
]

/** Other ways to another machine, which nothing uses: what is not here cannot pass the guard by. */
const NOWHERE: Readonly<Record<string, RegExp>> = {
  'clients of Node': /from 'node:(?:http|https|http2|tls|dgram|inspector|worker_threads|cluster|repl|vm)'/,
  'connections of Node': /\b(?:createConnection|createServer|new (?:Socket|Server))\b/,
  'other clients of Bun': /\bBun\.(?:sql|SQL|redis|RedisClient|s3|S3Client|\$)|from 'bun:(?:sqlite|jsc)'/,
  'clients of browsers': /\b(?:new WebSocket|EventSource|XMLHttpRequest|sendBeacon)\b/,
  'code out of texts': /\beval\(|new Function\(|import\((?!'\.|'@elysiajs)/,
}

const ROOT = join(import.meta.dir, '..')
const FILES = [...new Bun.Glob('src/**/*.ts').scanSync(ROOT)].sort()
const text = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** The room of a file under src. */
function roomOf(file: string): string {
  const [, first = ''] = file.split('/')
  return first.replace(/\.ts$/, '')
}

function importsOf(file: string): string[] {
  const targets = text(file).matchAll(/^(?:import|export)\s[^'"]*?from\s+'(\.[^']+)'|^import\s+'(\.[^']+)'/gm)
  return [...targets].map((match) => relative(ROOT, join(ROOT, dirname(file), match[1] ?? match[2] ?? '')))
}

describe('rooms', () => {
  test('every file belongs to a known room and imports only what its room may', () => {
    const offences: string[] = []
    for (const file of FILES) {
      const room = roomOf(file)
      const allowed = MAY_IMPORT[room]
      if (!allowed) offences.push(`${file} is in no known room`)
      for (const target of importsOf(file).filter((path) => path.startsWith('src/'))) {
        const other = roomOf(target)
        if (other !== room && !allowed?.includes(other)) offences.push(`${file} imports ${target}`)
      }
    }
    expect(offences).toEqual([])
  })

  test('of sync, http knows the queue only', () => {
    const offences = FILES.filter((file) => roomOf(file) === 'http').flatMap((file) =>
      importsOf(file).filter((path) => roomOf(path) === 'sync' && !path.endsWith('queue.ts')),
    )
    expect(offences).toEqual([])
  })

  test('the features of http do not import one another', () => {
    const feature = (path: string) => /^src\/http\/(composer-api|management-api|webhooks|system)\//.exec(path)?.[1]
    const offences = FILES.filter((file) => feature(file)).flatMap((file) =>
      importsOf(file)
        .filter((path) => feature(path) && feature(path) !== feature(file))
        .map((path) => `${file} imports ${path}`),
    )
    expect(offences).toEqual([])
  })

  for (const { what, pattern, where } of ONLY_IN) {
    test(`${what} stays where it belongs`, () => {
      const users = FILES.filter((file) => pattern.test(text(file)))
      expect(users.filter((file) => !where.test(file))).toEqual([])
      expect(users.length).toBeGreaterThan(0)
    })
  }
})

describe('ways to another machine', () => {
  for (const [what, pattern] of Object.entries(NOWHERE)) {
    test(`${what} are used nowhere`, () => {
      expect(FILES.filter((file) => pattern.test(text(file)))).toEqual([])
    })
  }

  test('of what is known of addresses nothing connects', () => {
    const imported = FILES.flatMap((file) => [...text(file).matchAll(/import \{([^}]+)\} from 'node:net'/g)])
    const names = new Set(imported.flatMap(([, list = '']) => list.split(',').map((name) => name.trim())))
    expect([...names].sort()).toEqual(['BlockList', 'isIP', 'isIPv6'])
  })
})

describe('files', () => {
  test('no file has more than 300 lines', () => {
    const long = [...FILES, ...new Bun.Glob('test/**/*.ts').scanSync(ROOT)].filter(
      (file) => text(file).split('\n').length > 301,
    )
    expect(long).toEqual([])
  })

  test('no barrels and no default exports', () => {
    expect(FILES.filter((file) => file.endsWith('/index.ts'))).toEqual([])
    expect(FILES.filter((file) => /^export default/m.test(text(file)))).toEqual([])
  })

  test('names say what a thing is', () => {
    const vague = /(?:util|helper|manager|service)s?(?:[-.]|$)/
    expect(FILES.filter((file) => vague.test(file))).toEqual([])
  })

  test('versions are pinned and the lock file names no registry', () => {
    const { dependencies, devDependencies } = JSON.parse(text('package.json'))
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(text('bun.lock')).not.toMatch(/https?:/)
  })
})
