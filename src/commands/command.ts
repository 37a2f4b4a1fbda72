import { AppError } from '../errors.ts'
import { escapedJson, withoutControls, withoutControlsInLines } from '../printable.ts'

/** A subcommand. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** What `--help` prints. */
  readonly help: string
  /** Runs it; resolves to the exit code. Throws AppError('invalid') for wrong usage. */
  run(args: readonly string[]): Promise<number>
}

/**
 * Exit codes: done, failed, wrong usage or configuration; and of what surrounds the program, EX_TEMPFAIL and EX_CONFIG of
 * sysexits.h, as service managers know them: try again later, or change something first.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, temporary: 75, surroundings: 78 } as const

/** Wrong usage: the sentence is printed with the way to the help. */
export class UsageError extends AppError {
  constructor(message: string) {
    super('invalid', message)
    this.name = 'AppError'
  }
}

/** Prints a value for a program, or lines for a person; texts of strangers in either cannot steer the terminal. */
export function print(json: boolean, value: unknown, lines: () => readonly string[]): void {
  if (json) console.log(escapedJson(JSON.stringify(value, null, 2)))
  else for (const line of lines()) console.log(withoutControlsInLines(line))
}

/** A row of a list, as the management API shows it, with what is wrong with it. */
export interface Row extends Record<string, unknown> {
  readonly error_code?: string | null
  readonly error_message?: string | null
}

/** A table with a column for each field that `fields` names, and below each row what is wrong with it. */
export function tableOf(rows: readonly Row[], fields: Readonly<Record<string, string>>): string[] {
  const cells = rows.map((row) => Object.values(fields).map((field) => String(row[field])))
  const [header = '', ...lines] = columns([Object.keys(fields), ...cells])
  const below = ({ error_code: code, error_message: message }: Row) =>
    message ? [withoutControls(`  ${code ?? 'error'}: ${message}`)] : []
  return [header, ...rows.flatMap((row, index) => [lines[index] ?? '', ...below(row)])]
}

/** Rows as text in columns. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
