import { t } from 'elysia'
import { shape } from '../openapi/fields.ts'

/** An advisory as Composer reads it. */
export const ServedAdvisory = shape('SecurityAdvisory', {
  advisoryId: t.String(),
  packageName: t.String(),
  affectedVersions: t.String({ description: 'Composer constraint' }),
  remoteId: t.Optional(t.String()),
  title: t.Optional(t.String()),
  link: t.Optional(t.Union([t.String(), t.Null()])),
  cve: t.Optional(t.Union([t.String(), t.Null()])),
  source: t.Optional(t.String()),
  sources: t.Optional(
    t.Array(t.Object({ name: t.String(), remoteId: t.String() }, { additionalProperties: false }), { minItems: 1 }),
  ),
  reportedAt: t.Optional(t.String({ pattern: '^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$', description: 'UTC' })),
  composerRepository: t.Optional(t.Union([t.String(), t.Null()])),
  severity: t.Optional(t.Union([t.String(), t.Null()])),
})

const FILTER_FIELDS = {
  constraint: t.String({ description: 'Composer constraint' }),
  reason: t.Optional(t.String()),
  url: t.Optional(t.String()),
  id: t.Optional(t.String()),
  source: t.Optional(t.String()),
}

/** An entry of a filter list in the document of its package. */
export const ServedFilterEntry = shape('ServedFilterEntry', FILTER_FIELDS)

/** An entry of a filter list that says which package it is about. */
export const NamedFilterEntry = shape('NamedFilterEntry', { package: t.String(), ...FILTER_FIELDS })
