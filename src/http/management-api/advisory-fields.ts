import { type Static, t } from 'elysia'
import { CVE, SEVERITIES } from '../../composer/advisories.ts'
import { plainAddress } from '../../composer/plain-text.ts'
import type { AdvisoryRow } from '../../store/policy-entries.ts'
import { integer, words } from '../openapi/fields.ts'
import { checkedConstraint, checkedText } from './policy-entries.ts'
import { wrongField } from './request-body.ts'

/** Longest title, in characters. */
const LONGEST_TITLE = 300

const title = t.String({ minLength: 1, maxLength: LONGEST_TITLE, description: 'a text of at most 300 characters' })
const affected = t.String({
  minLength: 1,
  maxLength: 2_000,
  description: 'a Composer constraint, like ">=1.0,<1.2.3|2.0.0"',
})

const FIELDS = {
  link: t.Optional(
    t.Union([t.String({ maxLength: 2_000 }), t.Null()], { description: 'an http or https address, or null' }),
  ),
  cve: t.Optional(
    t.Union([t.String({ pattern: CVE.source }), t.Null()], { description: 'a number like CVE-2026-12345, or null' }),
  ),
  severity: t.Optional(t.Union([words(SEVERITIES), t.Null()], { description: 'low, medium, high, critical, or null' })),
  reported_at: t.Optional(
    integer({ minimum: 0, maximum: 253_402_300_799, description: 'Unix seconds when it was reported' }),
  ),
}

/** Body of `POST /api/advisories`. */
export const NewAdvisory = t.Object(
  {
    package_name: t.String({ maxLength: 200, description: 'a full package name, like acme/lib' }),
    title,
    affected_versions: affected,
    ...FIELDS,
  },
  { additionalProperties: false, description: 'an advisory' },
)

/** Body of `PATCH /api/advisories/{id}`: what is named is changed. */
export const AdvisoryPatch = t.Object(
  { title: t.Optional(title), affected_versions: t.Optional(affected), ...FIELDS },
  { additionalProperties: false, minProperties: 1, description: 'the fields to change' },
)

type Fields = Pick<AdvisoryRow, 'title' | 'affectedVersions'> &
  Partial<Pick<AdvisoryRow, 'link' | 'cve' | 'severity' | 'reportedAt'>>

/** The columns that a body names. Throws AppError('invalid') with `details.fields`. */
export function advisoryFields(body: Static<typeof NewAdvisory>): Fields
export function advisoryFields(body: Static<typeof AdvisoryPatch>): Partial<Fields>
export function advisoryFields(body: Static<typeof AdvisoryPatch>): Partial<Fields> {
  const { title: text, affected_versions: versions, link, cve, severity, reported_at: reportedAt } = body
  if (typeof link === 'string' && plainAddress(link) === null) {
    throw wrongField('link', 'needs an http or https address, or null')
  }
  return {
    ...(text === undefined ? {} : { title: checkedText('title', text, LONGEST_TITLE) ?? '' }),
    ...(versions === undefined ? {} : { affectedVersions: checkedConstraint('affected_versions', versions) }),
    ...(link === undefined ? {} : { link }),
    ...(cve === undefined ? {} : { cve }),
    ...(severity === undefined ? {} : { severity }),
    ...(reportedAt === undefined ? {} : { reportedAt }),
  }
}

/** An advisory as the management API shows it. */
export function shownAdvisory(row: AdvisoryRow) {
  return {
    id: row.id,
    package_name: row.packageName,
    title: row.title,
    affected_versions: row.affectedVersions,
    link: row.link,
    cve: row.cve,
    severity: row.severity,
    reported_at: row.reportedAt,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  }
}
