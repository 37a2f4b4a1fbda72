import type { RawFields } from '../composer/json.ts'
import { JsonScanner } from '../composer/json-scanner.ts'
import { lowerAscii } from '../composer/php-text.ts'
import { orderVersions } from '../composer/version-order.ts'
import { parseStability } from '../composer/version-parser.ts'
import type { Pacer } from '../pacer.ts'
import { type OnIssue, scanVersions } from './package-document.ts'
import type { UpstreamDocument } from './upstream.ts'
import { normalizedVersion, textOf, VersionRules } from './version-rules.ts'

/** Raised when the same text gives another document: copies that were made before are no longer the same. */
export const READING = 1

/** Keys that mean something to clients only between each other and their own repository. */
const DROPPED = ['uid', 'notification-url']

/**
 * One of the two documents of a package out of a list that holds tags and branches in any order, as those of Satis and
 * of Composer 1 do: newest first, complete, without what a client could not load, which is told to `onIssue`. Of
 * versions that mean the same the first one counts.
 */
export async function sortedDocument(
  entries: readonly RawFields[],
  name: string,
  dev: boolean,
  pacer: Pacer,
  onIssue: OnIssue,
): Promise<UpstreamDocument> {
  const rules = new VersionRules(name)
  const taken = new Map<string, ReturnType<typeof ordered>>()
  for (const entry of entries) {
    await pacer.step()
    const normalized = normalizedVersion(entry) ?? ''
    if ((parseStability(normalized) === 'dev') !== dev) continue
    const version = textOf(entry.get('version'))
    const problem = rules.problem(entry) ?? (taken.has(normalized) ? 'another entry means the same version' : null)
    if (problem === null) taken.set(normalized, ordered(entry, normalized))
    else onIssue(`${name} ${(version ?? '').slice(0, 100)}`.trim(), problem)
  }
  const versions = orderVersions([...taken.values()]).map(({ fields }) => fields)
  return { versions, minified: false, advisories: null, filter: null }
}

/** The entries of a package in a document that may hold several (Composer: `ComposerRepository::whatProvides`). */
export function scanEntries(text: string, name: string): RawFields[] | null {
  let entries: RawFields[] | null = null
  const scanner = new JsonScanner(text)
  scanner.document((key) => {
    if (key !== 'packages' || scanner.next() !== 'object') return void scanner.value()
    scanner.members((packageName) => {
      if (lowerAscii(packageName) !== name || scanner.next() === 'other') return void scanner.value()
      entries = [...(entries ?? []), ...scanVersions(scanner)]
    })
  })
  return entries
}

function ordered(entry: RawFields, normalized: string) {
  const fields = new Map(entry)
  fields.set('version_normalized', JSON.stringify(normalized))
  for (const key of DROPPED) fields.delete(key)
  return {
    fields,
    version: textOf(entry.get('version')) ?? '',
    versionNormalized: normalized,
    stability: parseStability(normalized),
    defaultBranch: entry.get('default-branch') === 'true',
    releasedAt: secondsOf(textOf(entry.get('time'))),
  }
}

function secondsOf(time: string | null): number {
  const milliseconds = Date.parse(time ?? '')
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000)
}
