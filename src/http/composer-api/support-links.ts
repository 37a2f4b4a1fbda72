import { asObject, jsonValue, type RawFields, readJsonObject, writeJsonObject } from '../../composer/json.ts'
import { isHostType } from '../../sources/hosts/host-credential.ts'
import { sourcePageOf } from '../../sources/hosts/source-page.ts'
import type { PackageContent } from '../../store/packages.ts'
import type { VersionRow } from '../../store/sync-state.ts'

/** Adds to the fields of a version what its host knows of it. */
export type SupportOf = (fields: RawFields, row: VersionRow) => RawFields

/**
 * `support.source` and `support.issues` of versions where composer.json has none, as Composer's drivers fill them in
 * (Composer: GitHubDriver, GitLabDriver, GitBitbucketDriver::getComposerInformation). A commit that has a tag is named by
 * it on its branch as well. `versions` are those that the caller sees.
 */
export function supportOf(pages: PackageContent['pages'], versions: readonly VersionRow[]): SupportOf {
  if (pages === null || !isHostType(pages.vcsType)) return (fields) => fields
  const sourcePage = sourcePageOf(pages.vcsType, pages.url)
  const tags = new Map(versions.filter(({ kind }) => kind === 'tag').map((row) => [row.reference, row.refName]))
  return (fields, { reference, refName }) => {
    const source = sourcePage(pages.webUrl, { name: tags.get(reference) ?? refName, commit: reference })
    return withSupport(fields, { source, ...(pages.issuesUrl === null ? {} : { issues: pages.issuesUrl }) })
  }
}

function withSupport(fields: RawFields, links: Readonly<Record<string, string>>): RawFields {
  const written = fields.get('support')
  const support = new Map(asObject(jsonValue(written)) === null ? [] : readJsonObject(Buffer.from(written ?? '{}')))
  for (const [name, link] of Object.entries(links)) {
    const said = support.get(name)
    if (said === undefined || said === 'null') support.set(name, JSON.stringify(link))
  }
  return new Map(fields).set('support', writeJsonObject(support))
}
