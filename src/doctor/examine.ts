import { messageOf } from '../errors.ts'
import type { Foundation } from '../foundation.ts'
import { examineConfiguration } from './configuration.ts'
import { type Finding, failure } from './finding.ts'
import { examineSources } from './sources.ts'
import { examineDatabase, examineDirectories } from './surroundings.ts'

/** Looks at everything that an installation stands on. A look that fails is a finding; nothing is changed. */
export async function examine({ config, db, tables, http, now }: Foundation): Promise<Finding[]> {
  const looks: readonly [string, () => Finding[] | Promise<Finding[]>][] = [
    ['configuration', () => examineConfiguration(config)],
    ['directories', () => examineDirectories(config)],
    ['database', () => examineDatabase(db)],
    ['sources', () => examineSources({ ...tables, http, now })],
  ]
  const findings: Finding[] = []
  for (const [name, look] of looks) {
    try {
      findings.push(...(await look()))
    } catch (error) {
      findings.push(failure(name, messageOf(error), 'The log of the server says more.'))
    }
  }
  return findings
}
