import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../src/config.ts'
import { warnOfStrain } from '../src/life.ts'
import { createLogger } from '../src/observability/logger.ts'
import { Metrics } from '../src/observability/metrics.ts'

function strained(stalls: readonly number[], directory: string): string[] {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', format: 'json', write: (line) => void lines.push(line) })
  const left = [...stalls]
  const metrics = Object.assign(new Metrics(), { longestStall: () => left.shift() ?? 0 })
  const config = readConfig({ DATA_DIR: directory })
  for (const _ of stalls) warnOfStrain({ metrics, logger, config })
  return lines.map((line) => (JSON.parse(line) as { message: string }).message)
}

test('a stall of the event loop and a long write-ahead log are told of, and nothing shorter', () => {
  const directory = mkdtempSync(join(tmpdir(), 'package-broker-life-'))
  try {
    expect(strained([0, 0.05, 0.1], directory)).toEqual([])
    expect(strained([0.3, 0], directory)).toEqual(['the event loop stood still'])
    const log = join(directory, 'package-broker.db-wal')
    writeFileSync(log, '')
    truncateSync(log, 64 * 1024 * 1024)
    expect(strained([0], directory)).toEqual([])
    truncateSync(log, 64 * 1024 * 1024 + 1)
    expect(strained([0], directory)).toEqual(['the write-ahead log is long: something else reads the database'])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
