import { EVERYTHING, limitsVersions, refusalOf, type Scope } from '../../auth/scope.ts'
import { type RawFields, writeJsonObject } from '../../composer/json.ts'
import { readManifest, servedFields } from '../../composer/manifest.ts'
import { differenceOf } from '../../composer/minify.ts'
import { rfc3339 } from '../../composer/repository-versions.ts'
import { versionEntry } from '../../composer/version-entry.ts'
import { orderVersions } from '../../composer/version-order.ts'
import type { Stability } from '../../composer/version-parser.ts'
import { Pacer } from '../../pacer.ts'
import type { CatalogEntry } from '../../store/catalog.ts'
import type { PackageContent, PackageTable } from '../../store/packages.ts'
import type { VersionRow } from '../../store/sync-state.ts'
import { distOf } from '../dist-link.ts'
import { DocumentCache } from './document-cache.ts'
import { type OwnPolicies, policyMembers } from './package-policies.ts'
import { RenderedDocument } from './rendered-document.ts'
import { supportOf } from './support-links.ts'
import { viewDate } from './view-date.ts'

/** Nobody takes back a document that was asked for: the next one who asks gets it. */
const ALWAYS = new AbortController().signal

/** Which form of a package's document: its branches or its tags, minified or keyed by version. */
export interface DocumentForm {
  readonly dev: boolean
  readonly minified: boolean
  readonly baseUrl: string
}

/** Documents of owned packages, rendered once per change. */
export class PackageDocuments {
  private readonly cache = new DocumentCache()
  readonly counts = this.cache.counts

  constructor(
    private readonly packages: PackageTable,
    private readonly policies: OwnPolicies,
  ) {}

  /** The document of a package as of `entry.modifiedAt`, with the versions that the scope covers. */
  get(entry: CatalogEntry, scope: Scope, form: DocumentForm): RenderedDocument | Promise<RenderedDocument> {
    const view = limitsVersions(scope, entry.name) ? scope : EVERYTHING
    const key = `${entry.id}${form.dev ? '~dev' : ''}${form.minified ? '' : '+keyed'} ${view.key} ${form.baseUrl}`
    return this.cache.get(key, entry.modifiedAt, async () => {
      const pace = new Pacer(ALWAYS)
      const content = await this.packages.content(entry.id)
      await pace.step()
      const seen: VersionRow[] = []
      for (const row of content.versions) {
        if (refusalOf(view, entry.name, row) === null) seen.push(row)
        if (pace.due()) await pace.rest()
      }
      // Read behind the date: what is newer than it is dated anew as soon as the change is known here.
      const policies = form.dev ? '' : policyMembers(entry.name, await this.policies.of(entry.name))
      const versions = await renderVersions(entry, { ...content, versions: seen }, form, pace)
      await pace.step()
      const json = wrap(entry.name, versions, form, policies)
      return new RenderedDocument(json, viewDate(view, entry.modifiedAt, json))
    })
  }
}

/**
 * The document of a name that is ours and offers nothing to this caller; `policies` is what `policyMembers` gives. It
 * has no date, so it never validates another.
 */
export function emptyPackageDocument(name: string, minified: boolean, policies = ''): RenderedDocument {
  return new RenderedDocument(wrap(name, minified ? '[]' : '{}', { minified }, policies), null)
}

/** Thousands of versions take some tenths of a second, during which requests are answered. */
async function renderVersions(
  entry: CatalogEntry,
  content: PackageContent,
  form: DocumentForm,
  pace: Pacer,
): Promise<string> {
  const rows = content.versions
    .filter((row) => (row.stability === 'dev') === form.dev)
    .map((row) => ({ ...row, stability: row.stability as Stability }))
  const fieldsOf = manifestFields(content)
  const supported = supportOf(content.pages, content.versions)
  await pace.step()
  const written: string[] = []
  let before: RawFields | null = null
  for (const row of orderVersions(rows)) {
    const facts = { ...row, ...factsOf(entry, row), fields: supported(fieldsOf(row.blob), row) }
    const dist = JSON.stringify(distOf(entry.name, row, form.baseUrl))
    const fields = versionEntry(facts, { dist, ...sourceOf(row, content.sourceUrl) })
    const shown: RawFields = form.minified && before !== null ? differenceOf(before, fields) : fields
    written.push(`${form.minified ? '' : `${JSON.stringify(row.version)}:`}${writeJsonObject(shown)}`)
    before = fields
    if (pace.due()) await pace.rest()
  }
  return form.minified ? `[${written.join(',')}]` : `{${written.join(',')}}`
}

function factsOf({ prettyName, abandoned }: CatalogEntry, { kind, firstPublishedAt }: VersionRow) {
  return { prettyName, abandoned, publishedTime: kind === 'branch' ? null : rfc3339(firstPublishedAt) }
}

/** `policies` is text of members that begins with a comma, or empty. */
function wrap(name: string, versions: string, { minified }: Pick<DocumentForm, 'minified'>, policies: string): string {
  const form = minified ? ',"minified":"composer/2.0"' : ''
  return `{"packages":{${JSON.stringify(name)}:${versions}}${form}${policies}}`
}

/** A clone has the package only when it is all of the repository. */
function sourceOf(row: VersionRow, url: string | null): { source?: string } {
  return url === null || row.path !== ''
    ? {}
    : { source: JSON.stringify({ type: 'git', url, reference: row.reference }) }
}

/** Fields of composer.json by blob, each text read once. */
function manifestFields(content: PackageContent): (blob: string) => RawFields {
  const known = new Map<string, RawFields>()
  return (blob) => {
    const fields =
      known.get(blob) ?? servedFields(readManifest(new TextEncoder().encode(content.manifests.get(blob) ?? '')))
    known.set(blob, fields)
    return fields
  }
}
