import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { archiveReaders } from './archive-readers.ts'
import { GIT_READERS } from './git-readers.ts'
import { corpusOf, fuzzReader, keep, outcomeOf, type Reader } from './reader.ts'
import { TEXT_READERS } from './text-readers.ts'

/**
 * Everything that reads bytes of strangers, with bytes that are nearly right. `FUZZ_MINUTES` goes on with new seeds for
 * that long, and `FUZZ_KEEP=1` adds to the corpus what met a new refusal; `FUZZ_SEED` repeats a run.
 */
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0)
const SEED = Number(process.env.FUZZ_SEED ?? (MINUTES > 0 ? Date.now() % 2 ** 31 : 20_240_601))
const RUNS = 250

setDefaultTimeout(60_000 * (MINUTES + 2))

const directory = mkdtempSync(join(tmpdir(), 'package-broker-fuzz-'))
mkdirSync(join(directory, 'accepted'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const accepted = new Set<string>()
const READERS: readonly Reader[] = [
  ...archiveReaders(directory, (zip) => {
    const name = Bun.hash.crc32(zip).toString(16)
    if (accepted.size < 500 && !accepted.has(name)) writeFileSync(join(directory, 'accepted', name), zip)
    accepted.add(name)
  }),
  ...GIT_READERS,
  ...TEXT_READERS,
]

describe.each(READERS.map((reader) => [reader.name, reader] as const))('%s', (name, reader) => {
  test('what was kept is read and refused as it was', async () => {
    const corpus = corpusOf(reader)
    const got: Record<string, string> = {}
    for (const { name: file, input } of corpus) got[file] = (await outcomeOf(reader, input)).outcome
    expect(got).toEqual(Object.fromEntries(corpus.map(({ name: file, outcome }) => [file, outcome])))
    expect(corpus.length).toBeGreaterThan(1)
  })

  test('reads or refuses, and does nothing else', async () => {
    const findings = await fuzzReader(reader, SEED, RUNS)
    // A run that is only refused, or never, would prove nothing.
    expect({ name, read: findings.read > 0, refused: findings.read < RUNS }).toEqual({
      name,
      read: true,
      refused: true,
    })
  })
})

test('what our zip reader takes, another one takes too, whole', () => {
  expect(accepted.size).toBeGreaterThan(10)
  const { exitCode, stdout } = Bun.spawnSync([
    'php',
    join(import.meta.dir, 'read-zips.php'),
    join(directory, 'accepted'),
  ])
  expect({ exitCode, said: stdout.toString() }).toEqual({ exitCode: 0, said: '' })
})

test.skipIf(MINUTES === 0)('for as long as was asked for', async () => {
  const end = Date.now() + MINUTES * 60_000
  let inputs = 0
  for (let seed = SEED + 1; Date.now() < end; seed += 1) {
    for (const reader of READERS) {
      const findings = await fuzzReader(reader, seed, RUNS)
      inputs += RUNS
      if (process.env.FUZZ_KEEP === '1') {
        const fresh = await keep(reader, findings)
        if (fresh > 0) console.log(`seed ${seed}: ${fresh} new for ${reader.name}`)
      }
    }
  }
  console.log(`${inputs} inputs to ${READERS.length} readers, from seed ${SEED}`)
})
