import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import journal from '../../drizzle/meta/_journal.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }

/* `make release` for this machine; for the others it needs the network. Which two builds are compared is the Makefile's. */

setDefaultTimeout(120_000)

const ROOT = join(import.meta.dir, '../..')
const RELEASE = `dist/release-test-${process.pid}`
const TARGET = `bun-${process.platform}-${process.arch}`
const NAME = `package-broker-${packageJson.version}-${process.platform}-${process.arch}`

interface Bill {
  bomFormat: string
  specVersion: string
  serialNumber: string
  version: number
  metadata: { component: { type: string; name: string; version: string; 'bom-ref': string } }
  components: {
    type: string
    name: string
    version: string
    purl: string
    'bom-ref': string
    hashes: { alg: string; content: string }[]
    licenses?: ({ license: { id: string } } | { expression: string })[]
  }[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

const file = (name: string) => join(ROOT, RELEASE, name)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

beforeAll(() => {
  const make = Bun.spawnSync(['make', '-C', ROOT, 'release', `RELEASE=${RELEASE}`, `TARGETS=${TARGET}`], {
    stdout: 'pipe',
    stderr: 'pipe',
  })
  if (!make.success) throw new Error(make.stderr.toString() + make.stdout.toString())
})

afterAll(() => rmSync(join(ROOT, RELEASE), { recursive: true, force: true }))

function run(...args: string[]): string {
  const { stdout, exitCode } = Bun.spawnSync([file(NAME), ...args], { env: {}, cwd: '/' })
  expect(exitCode).toBe(0)
  return stdout.toString()
}

test('has the executable, its bill of materials and the sums of both', () => {
  expect(readdirSync(file('')).sort()).toEqual(['SHA256SUMS', NAME, `${NAME}.cdx.json`])
  const sums = readFileSync(file('SHA256SUMS'), 'utf8')
  for (const name of [NAME, `${NAME}.cdx.json`])
    expect(sums).toContain(`${sha256(readFileSync(file(name)))}  ${name}\n`)
})

test('nothing in the executable tells where it was built', () => {
  expect(readFileSync(file(NAME)).includes(ROOT)).toBe(false)
})

test('--version says what it was built from', () => {
  const git = Bun.spawnSync(['git', 'rev-parse', 'HEAD'], { cwd: ROOT })
  const commit = git.success ? expect.stringContaining(git.stdout.toString().trim()) : null
  const lock = sha256(readFileSync(join(ROOT, 'bun.lock')))
  const schema = journal.entries.at(-1)?.idx
  const info = { version: packageJson.version, commit, target: TARGET, bun: packageJson.engines.bun, lock, schema }
  expect(JSON.parse(run('--version', '--json'))).toEqual(info)
  expect(run('--version')).toMatch(
    new RegExp(
      `^package-broker ${info.version} \\(.*lock ${lock.slice(0, 12)}, Bun ${info.bun}, schema ${schema}\\)\n$`,
    ),
  )
})

describe('the bill of materials', () => {
  let bill: Bill
  beforeAll(() => {
    bill = JSON.parse(readFileSync(file(`${NAME}.cdx.json`), 'utf8')) as Bill
  })

  test('is also in the executable', () => {
    expect(run('--sbom')).toBe(readFileSync(file(`${NAME}.cdx.json`), 'utf8'))
  })

  // https://cyclonedx.org/docs/1.6/json/: what the schema requires, its patterns, and that references lead somewhere.
  test('is CycloneDX 1.6', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 })
    expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
    const { component } = bill.metadata
    expect(component).toMatchObject({ type: 'application', name: 'package-broker', version: packageJson.version })
    for (const { type, hashes, licenses } of bill.components) {
      expect({ type, hashes }).toEqual({
        type: 'library',
        hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
      })
      expect(licenses).toHaveLength(1)
    }
    const refs = [component['bom-ref'], ...bill.components.map((part) => part['bom-ref'])]
    expect(new Set(refs).size).toBe(refs.length)
    expect(bill.dependencies.map(({ ref }) => ref).sort()).toEqual([...refs].sort())
    for (const { dependsOn } of bill.dependencies) for (const ref of dependsOn) expect(refs).toContain(ref)
  })

  test('names versions and hashes of bun.lock', () => {
    const lock = readFileSync(join(ROOT, 'bun.lock'), 'utf8')
    for (const { name, version, purl, hashes } of bill.components) {
      expect(purl).toBe(`pkg:npm/${name.replace('@', '%40')}@${version}`)
      if (name.startsWith('@oven/')) continue
      const integrity = Buffer.from(hashes[0]?.content ?? '', 'hex').toString('base64')
      expect(lock).toMatch(new RegExp(`\\["${name}@${version}", .*"sha512-${RegExp.escape(integrity)}"\\],`))
    }
  })

  test('has what is in the executable: every dependency, the native part, the runtime, and nothing of development', () => {
    const names = bill.components.map(({ name }) => name)
    for (const name of Object.keys(packageJson.dependencies)) expect(names).toContain(name)
    for (const name of Object.keys(packageJson.devDependencies)) expect(names).not.toContain(name)
    expect(names.filter((name) => /^@libsql\/(?:linux|darwin)-/.test(name))).toHaveLength(1)
    expect(names.filter((name) => name.startsWith('@oven/bun-'))).toHaveLength(1)
  })
})
