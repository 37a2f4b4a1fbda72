import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { AppError, isAppError, messageOf } from '../../src/errors.ts'
import { processorTime } from '../support/event-loop.ts'

/** Something that reads bytes of strangers. */
export interface Reader {
  readonly name: string
  /** Bytes that are nearly right, by the structure that the reader knows. */
  readonly inputs: fc.Arbitrary<Uint8Array>
  /** Reads, and checks what has to hold of whatever was accepted. Throws an `AppError` for what it refuses. */
  read(input: Uint8Array): Promise<unknown> | unknown
}

/** A reader took the bytes, or refused them with an error that is meant for strangers. */
export type Outcome = 'read' | 'refused'

/** Processor time that no input may take, in milliseconds; a hundred times what the slowest takes. */
const HANGING = 5_000
const CORPUS = join(import.meta.dir, 'corpus')

/** What a reader makes of an input. Throws, with the input, when it fails in any other way than by refusing. */
export async function outcomeOf(reader: Reader, input: Uint8Array): Promise<{ outcome: Outcome; said: string }> {
  const began = processorTime()
  let result: { outcome: Outcome; said: string } = { outcome: 'read', said: '' }
  try {
    await reader.read(input)
  } catch (error) {
    if (!isAppError(error)) throw new Error(`${reader.name}: ${shown(error)}\n${reproduction(input)}`)
    result = { outcome: 'refused', said: `${error.kind}: ${messageOf(error)}` }
  }
  const took = processorTime() - began
  if (took > HANGING) throw new Error(`${reader.name}: ${Math.round(took)} ms\n${reproduction(input)}`)
  return result
}

/** Reads `runs` inputs made from `seed`; says how many were read and which refusals there were. */
export async function fuzzReader(reader: Reader, seed: number, runs: number): Promise<Findings> {
  const findings = new Findings()
  for (const input of fc.sample(reader.inputs, { seed: seed + Bun.hash.crc32(reader.name), numRuns: runs })) {
    const { outcome, said } = await outcomeOf(reader, input)
    findings.note(outcome, said, input)
  }
  return findings
}

/** What a run has seen: each kind of refusal with the shortest input that meets it. */
export class Findings {
  read = 0
  readonly kinds = new Map<string, Uint8Array>()

  note(outcome: Outcome, said: string, input: Uint8Array): void {
    if (outcome === 'read') this.read += 1
    // Without what is quoted of the input.
    const sentence = said.replace(/[("“'].*| says: .*|\/tmp\/\S+/s, '').replace(/\S+\/\S+|\d+/g, '#')
    const kind = `${outcome} ${sentence.slice(0, 120)}`
    const before = this.kinds.get(kind)
    if (before === undefined || input.length < before.length) this.kinds.set(kind, input)
  }
}

/** Inputs that were kept: one for each way of refusing that was ever met, and what was accepted. */
export function corpusOf(reader: Reader): { name: string; outcome: Outcome; input: Uint8Array }[] {
  const directory = join(CORPUS, reader.name)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .sort()
    .map((name) => ({
      name,
      outcome: name.startsWith('read-') ? 'read' : 'refused',
      input: new Uint8Array(readFileSync(join(directory, name))),
    }))
}

/** Largest input that is kept, in bytes. */
const LARGEST_KEPT = 2_048

/** Keeps an input for each kind that the corpus does not have. Returns how many are new. */
export async function keep(reader: Reader, findings: Findings): Promise<number> {
  const known = new Findings()
  for (const { input } of corpusOf(reader)) {
    const { outcome, said } = await outcomeOf(reader, input)
    known.note(outcome, said, input)
  }
  const fresh = [...findings.kinds].filter(([kind, input]) => !known.kinds.has(kind) && input.length <= LARGEST_KEPT)
  mkdirSync(join(CORPUS, reader.name), { recursive: true })
  for (const [kind, input] of fresh) {
    const name = `${kind.split(' ')[0]}-${Bun.hash.crc32(input).toString(16).padStart(8, '0')}`
    writeFileSync(join(CORPUS, reader.name, name), input)
  }
  return fresh.length
}

/** For what answers nothing instead of refusing. */
export function refused(): AppError {
  return new AppError('invalid', 'nothing')
}

/** Bytes with some of them changed, cut out or doubled. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'set', 'flip', 'cut', 'double', 'end'),
    value: fc.nat(255),
    length: fc.integer({ min: 1, max: 40 }),
  })
  return fc.tuple(bytes, fc.array(change, { maxLength: 3 })).map(([whole, changes]) => {
    let result = Buffer.from(whole)
    for (const { at: place, kind, value, length } of changes) {
      if (result.length === 0) break
      const at = place % result.length
      if (kind === 'set') result[at] = value
      if (kind === 'flip') result[at] = (result[at] ?? 0) ^ (1 << (value % 8))
      if (kind === 'cut') result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)])
      if (kind === 'double') result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)])
      if (kind === 'end') result = result.subarray(0, at)
    }
    return new Uint8Array(result)
  })
}

function shown(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function reproduction(input: Uint8Array): string {
  return `input, ${input.length} bytes in base64: ${Buffer.from(input).toString('base64').slice(0, 8_000)}`
}
