/** One measured promise: how we compare with what we are compared to. */
export interface Row {
  readonly what: string
  /** Raw figures of ours and theirs, with units. */
  readonly ours: string
  readonly theirs: string
  /** Ours as a share or multiple of theirs, or the figure that the goal is about. */
  readonly result: string
  readonly goal: string
  readonly met: boolean
}

/** What a scenario found, with the commands that anyone can repeat. */
export interface Finding {
  readonly rows: readonly Row[]
  readonly commands: readonly string[]
}

/** The middle of the numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/**
 * Measures `ours` and `theirs` in turn, so that a machine that slows down slows both: medians, and the median of the
 * ratios ours / theirs of each round.
 */
export async function alternate(rounds: number, ours: () => Promise<number>, theirs: () => Promise<number>) {
  const pairs: { ours: number; theirs: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0 ? await ours() : Number.NaN
    const other = await theirs()
    pairs.push({ ours: round % 2 === 0 ? first : await ours(), theirs: other })
  }
  return {
    ours: median(pairs.map((pair) => pair.ours)),
    theirs: median(pairs.map((pair) => pair.theirs)),
    ratio: median(pairs.map((pair) => pair.ours / pair.theirs)),
  }
}

/** Prints the table of every finding, then the commands. */
export function printReport(findings: readonly Finding[]): void {
  const header = ['what', 'ours', 'compared to', 'result', 'goal', '']
  const rows = findings.flatMap(({ rows }) =>
    rows.map((row) => [row.what, row.ours, row.theirs, row.result, row.goal, row.met ? 'met' : 'MISSED']),
  )
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => [...(row[column] ?? '')].length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  console.log()
  console.log(line(header))
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  for (const row of rows) console.log(line(row))
  console.log('\nCommands:')
  for (const command of findings.flatMap(({ commands }) => commands)) console.log(`  ${command}`)
}
