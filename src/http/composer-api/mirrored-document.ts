import { EVERYTHING, limitsVersions, refusalOf, type Scope } from '../../auth/scope.ts'
import { mergeAdvisories, readAdvisories } from '../../composer/advisories.ts'
import { mergeFilterLists, readFilterLists } from '../../composer/filter-list.ts'
import { type RawFields, writeJsonObject } from '../../composer/json.ts'
import { minifyVersions } from '../../composer/minify.ts'
import { withPrintableTexts } from '../../composer/printed-fields.ts'
import { type CompleteVersion, completeVersions } from '../../mirror/complete-document.ts'
import { distPath, readUpstreamDist } from '../../mirror/dist-address.ts'
import { type ReleaseAge, releaseAge } from '../../mirror/release-age.ts'
import type { MirroredDocument } from '../../mirror/upstream.ts'
import type { PolicyCatalog } from '../../store/policy-catalog.ts'
import { DocumentCache } from './document-cache.ts'
import type { DocumentForm } from './package-document.ts'
import { type OwnPolicies, type PackagePolicies, policyMembers } from './package-policies.ts'
import { RenderedDocument } from './rendered-document.ts'
import { viewDate } from './view-date.ts'

/** Fields that lead past this server, or that only a client may write. `source` too, unless its upstream exposes it. */
const DROPPED = ['notification-url', 'transport-options', 'installation-source']
/** Most documents whose date is remembered. */
const MOST_DATES = 20_000
const UNSET = '"__unset"'

/** A rendered document with all that it was made from, beside the document of the upstream. */
interface LastAnswer {
  readonly view: Scope
  readonly age: ReleaseAge
  readonly saidAt: number
  readonly form: Omit<DocumentForm, 'dev'>
  readonly rendered: RenderedDocument
}

function isSame(left: LastAnswer['form'], right: LastAnswer['form']): boolean {
  return left.minified === right.minified && left.baseUrl === right.baseUrl
}

/** Documents of packages of upstreams, rendered once per change, with archives that are fetched from here. */
export class MirroredDocuments {
  private readonly cache = new DocumentCache()
  readonly counts = this.cache.counts
  private readonly ages = new WeakMap<MirroredDocument, ReleaseAge>()
  /** What was answered last: most clients ask for the same form, and finding it by its key takes longer than sending it. */
  private readonly last = new WeakMap<MirroredDocument, LastAnswer>()
  private readonly dates = new Map<string, { readonly stamp: string; readonly date: number }>()

  /** `now` gives Unix seconds. */
  constructor(
    private readonly policies: Pick<PolicyCatalog, 'modifiedAt'>,
    private readonly ownPolicies: Pick<OwnPolicies, 'of'>,
    private readonly now: () => number,
  ) {}

  /** The document as a scope sees it now. */
  get(
    document: MirroredDocument,
    scope: Scope,
    form: Omit<DocumentForm, 'dev'>,
  ): RenderedDocument | Promise<RenderedDocument> {
    const { upstream, name, dev, digest, modifiedAt } = document
    const view = limitsVersions(scope, name) ? scope : EVERYTHING
    const age = this.ageOf(document)
    const saidAt = dev ? 0 : this.policies.modifiedAt(name)
    const last = this.last.get(document)
    if (last && last.view === view && last.age === age && last.saidAt === saidAt && isSame(last.form, form))
      return last.rendered
    const key = `${upstream.id} ${name}${dev ? '~dev' : ''}${form.minified ? '' : '+keyed'} ${view.key} ${form.baseUrl}`
    const stamp = `${digest} ${modifiedAt} ${upstream.revision} ${age.since} ${age.withheld.size} ${saidAt}`
    const made = this.cache.get(key, stamp, async () => {
      const date = this.dateOf(
        `${upstream.id} ${name}${dev ? '~dev' : ''}`,
        stamp,
        Math.max(modifiedAt, age.since, saidAt),
      )
      const said = dev ? '' : policyMembers(name, await this.policiesOf(document))
      const json = `${render(document, { view, form, age }).slice(0, -1)}${said}}`
      return new RenderedDocument(json, viewDate(view, date, json))
    })
    if (!(made instanceof Promise)) this.last.set(document, { view, age, saidAt, form, rendered: made })
    return made
  }

  /** What is said here and by the upstream, mended where a client could not read it. This server has the first word. */
  private async policiesOf({ name, advisories, filter }: MirroredDocument): Promise<PackagePolicies> {
    const own = await this.ownPolicies.of(name)
    const theirs = advisories === null ? null : readAdvisories(JSON.parse(advisories))
    const filters = readFilterLists(filter === null ? null : JSON.parse(filter))
    return {
      // Without a word of the upstream a client has to ask the API, which asks the upstream.
      advisories: theirs === null ? null : mergeAdvisories([own.advisories, theirs]),
      filters: mergeFilterLists([own.filters, filters]),
    }
  }

  /** Two changes within a second, of the document and of what is said of it, have two dates all the same. */
  private dateOf(key: string, stamp: string, least: number): number {
    const before = this.dates.get(key)
    const date = before === undefined || before.stamp === stamp ? least : Math.max(least, before.date + 1)
    const kept = before?.stamp === stamp ? before : { stamp, date }
    this.dates.delete(key)
    this.dates.set(key, kept)
    const oldest = this.dates.size > MOST_DATES ? this.dates.keys().next().value : undefined
    if (oldest !== undefined) this.dates.delete(oldest)
    return kept.date
  }

  private ageOf(document: MirroredDocument): ReleaseAge {
    const known = this.ages.get(document)
    const now = this.now()
    if (known && known.until > now) return known
    const age = releaseAge(document, now)
    this.ages.set(document, age)
    return age
  }
}

interface View {
  readonly view: Scope
  readonly form: Omit<DocumentForm, 'dev'>
  readonly age: ReleaseAge
}

function render(document: MirroredDocument, { view, form, age }: View): string {
  const { name, minified } = document
  const rewritten = (fields: RawFields, version: string) => rewrite(document, fields, version, form.baseUrl)
  const whole = age.withheld.size === 0 && view === EVERYTHING && everyVersionHasFiles(document)
  let versions: string
  if (form.minified && minified && whole) {
    versions = `[${inPlace(document.versions, rewritten).map(writeJsonObject).join(',')}]`
  } else {
    const shown = completeVersions(document)
      .filter((version) => hasFiles(document, version) && !age.withheld.has(version.facts.identity))
      .filter(
        ({ facts }) =>
          refusalOf(view, name, { ...facts, releasedAt: facts.releasedAt ?? document.modifiedAt }) === null,
      )
      .map(({ fields, facts }) => ({ version: facts.version, fields: rewritten(fields, facts.version) }))
    versions = form.minified
      ? `[${minifyVersions(shown.map(({ fields }) => fields))
          .map(writeJsonObject)
          .join(',')}]`
      : writeJsonObject(shown.map(({ version, fields }) => [version, writeJsonObject(fields)] as const))
  }
  return writeJsonObject([
    ['packages', writeJsonObject([[name, versions]])],
    ...(form.minified ? ([['minified', '"composer/2.0"']] as const) : []),
  ])
}

/** A minified list keeps its form: what an entry does not say, it has from the one before, rewritten there. */
function inPlace(
  versions: readonly RawFields[],
  rewritten: (fields: RawFields, version: string) => RawFields,
): RawFields[] {
  let version = ''
  return versions.map((fields) => {
    const own = fields.get('version')
    if (own !== undefined) version = String(JSON.parse(own))
    return rewritten(fields, version)
  })
}

/** The fields of an entry as they are served; the order is that of the upstream. */
function rewrite(document: MirroredDocument, fields: RawFields, version: string, baseUrl: string): RawFields {
  const served = new Map(withPrintableTexts(fields))
  for (const field of DROPPED) served.delete(field)
  if (!document.upstream.exposeSource) served.delete('source')
  const raw = fields.get('dist')
  const dist = readUpstreamDist(raw)
  if (raw === undefined) return served
  if (dist === null) return served.set('dist', raw === UNSET ? UNSET : 'null')
  const { mirrors: _mirrors, ...kept } = JSON.parse(raw)
  return served.set('dist', JSON.stringify({ ...kept, url: `${baseUrl}${distPath(document.name, version, dist)}` }))
}

/** Seen without completing the versions: each that says where its archive is says it in a way that can be handed on. */
function everyVersionHasFiles({ versions }: MirroredDocument): boolean {
  return versions.every((fields, index) => {
    const raw = fields.get('dist')
    return raw === undefined ? index > 0 : readUpstreamDist(raw) !== null
  })
}

/** What has no files cannot be installed, and Composer ends at it; a metapackage needs none. */
function hasFiles({ upstream }: MirroredDocument, { fields, facts }: CompleteVersion): boolean {
  if (facts.dist !== null || fields.get('type') === '"metapackage"') return true
  return upstream.exposeSource && (fields.get('source') ?? 'null') !== 'null'
}
