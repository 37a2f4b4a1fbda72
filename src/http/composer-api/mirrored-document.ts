import { EVERYTHING, limitsVersions, refusalOf, type Scope } from '../../auth/scope.ts'
import { type RawFields, writeJsonObject } from '../../composer/json.ts'
import { minifyVersions } from '../../composer/minify.ts'
import { type CompleteVersion, completeVersions } from '../../mirror/complete-document.ts'
import { distPath, readUpstreamDist } from '../../mirror/dist-address.ts'
import { type ReleaseAge, releaseAge } from '../../mirror/release-age.ts'
import type { MirroredDocument } from '../../mirror/upstream.ts'
import { DocumentCache } from './document-cache.ts'
import type { DocumentForm } from './package-document.ts'
import { RenderedDocument } from './rendered-document.ts'
import { viewDate } from './view-date.ts'

/** Fields that lead past this server, or that only a client may write. `source` too, unless its upstream exposes it. */
const DROPPED = ['notification-url', 'transport-options', 'installation-source']
const UNSET = '"__unset"'

/** Documents of packages of upstreams, rendered once per change, with archives that are fetched from here. */
export class MirroredDocuments {
  private readonly cache = new DocumentCache()
  private readonly ages = new WeakMap<MirroredDocument, ReleaseAge>()

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {}

  /** The document as a scope sees it now. */
  get(
    document: MirroredDocument,
    scope: Scope,
    form: Omit<DocumentForm, 'dev'>,
  ): RenderedDocument | Promise<RenderedDocument> {
    const { upstream, name, dev, digest, modifiedAt } = document
    const view = limitsVersions(scope, name) ? scope : EVERYTHING
    const age = this.ageOf(document)
    const key = `${upstream.id} ${name}${dev ? '~dev' : ''}${form.minified ? '' : '+keyed'} ${view.key} ${form.baseUrl}`
    const stamp = `${digest} ${modifiedAt} ${upstream.revision} ${age.since} ${age.withheld.size}`
    return this.cache.get(key, stamp, async () => {
      const json = render(document, { view, form, age })
      return new RenderedDocument(json, viewDate(view, Math.max(modifiedAt, age.since), json))
    })
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
  const { name, dev, minified, advisories, filter } = document
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
    ...(advisories === null || dev ? [] : ([['security-advisories', advisories]] as const)),
    ...(filter === null || dev ? [] : ([['filter', filter]] as const)),
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
  const served = new Map(fields)
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
