import { type Static, t } from 'elysia'
import { COMPOSER } from '../../mirror/upstream-address.ts'
import { type UpstreamSettings, USUAL_UPSTREAM } from '../../store/upstreams.ts'
import { integer } from '../openapi/fields.ts'
import { wrongField } from './request-body.ts'

const YEAR = 31_536_000

const globs = (description: string) =>
  t.Optional(t.Union([t.String({ maxLength: 2_000 }), t.Null()], { description: `${description}, or null` }))

const seconds = (description: string) => t.Optional(integer({ minimum: 0, maximum: YEAR, description }))

/** What a body may set of a repository of vcs_type composer and of no other. */
export const UPSTREAM_FIELDS = {
  package_deny: globs('comma-separated globs of package names that it is never asked for'),
  priority: t.Optional(
    integer({
      minimum: -1_000,
      maximum: 1_000,
      description: 'a whole number from -1000 to 1000; the highest is asked first',
    }),
  ),
  fresh_for: seconds('seconds that a document is served for without asking again, at most a year'),
  stale_if_error: seconds('seconds that a document is served for while the upstream cannot be asked, at most a year'),
  minimum_release_age: seconds('seconds that a version is withheld for, at most a year'),
  release_age_exceptions: globs('comma-separated globs of package names whose versions are not withheld'),
  release_age_passes_fixes: t.Optional(t.Boolean({ description: 'true or false' })),
}

const UpstreamFields = t.Object(UPSTREAM_FIELDS)
type UpstreamFields = Static<typeof UpstreamFields>

/** Name in the API to column. */
const COLUMNS = {
  package_deny: 'packageDeny',
  priority: 'priority',
  fresh_for: 'freshFor',
  stale_if_error: 'staleIfError',
  minimum_release_age: 'minimumReleaseAge',
  release_age_exceptions: 'releaseAgeExceptions',
  release_age_passes_fixes: 'releaseAgePassesFixes',
} as const satisfies { readonly [Field in keyof UpstreamFields]-?: keyof UpstreamSettings }

const FIELD_NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]

/** All settings of an upstream that a body describes. */
export function newUpstream(body: UpstreamFields): UpstreamSettings {
  return { ...USUAL_UPSTREAM, ...changedUpstream(USUAL_UPSTREAM, body) }
}

/** The settings that a body makes others than they are. */
export function changedUpstream(before: UpstreamSettings, body: UpstreamFields): Partial<UpstreamSettings> {
  const named = FIELD_NAMES.filter((field) => body[field] !== undefined && body[field] !== before[COLUMNS[field]])
  return Object.fromEntries(named.map((field) => [COLUMNS[field], body[field]]))
}

/** Throws AppError('invalid') for settings of upstreams where there is none. */
export function refuseUpstreamFields(body: UpstreamFields): void {
  for (const field of FIELD_NAMES) {
    if ((body[field] ?? null) !== null) throw wrongField(field, `has a meaning for vcs_type ${COMPOSER} only`)
  }
}

/** Throws AppError('invalid') for an `archives` that would fetch what nobody asked for. */
export function refuseEagerArchives(archives: string | undefined): void {
  if ((archives ?? 'lazy') === 'lazy') return
  throw wrongField(
    'archives',
    `can only be lazy for vcs_type ${COMPOSER}, whose archives are fetched when they are asked for`,
  )
}

/** Settings of an upstream as the API shows them; all null for a repository that is none. */
export function shownUpstream(settings: UpstreamSettings | null) {
  return {
    package_deny: settings?.packageDeny ?? null,
    priority: settings?.priority ?? null,
    fresh_for: settings?.freshFor ?? null,
    stale_if_error: settings?.staleIfError ?? null,
    minimum_release_age: settings?.minimumReleaseAge ?? null,
    release_age_exceptions: settings?.releaseAgeExceptions ?? null,
    release_age_passes_fixes: settings?.releaseAgePassesFixes ?? null,
  }
}
