import { t } from 'elysia'
import { orNull, shape, words } from '../openapi/fields.ts'
import type { HeaderName } from '../openapi/headers.ts'
import { operation } from '../openapi/operation.ts'

const common = { tag: 'System', access: 'open' } as const

const PAGE_HEADERS = [
  'Cache-Control',
  'Content-Security-Policy',
  'Referrer-Policy',
  'Content-Length',
] as const satisfies HeaderName[]

/** The operations of the system: health and this document. */
export const SYSTEM_OPERATIONS = {
  health: operation({
    ...common,
    id: 'getHealth',
    summary: 'Whether the process is up',
    answers: {
      200: {
        description: 'It is.',
        schema: shape('Health', { status: t.Literal('ok') }),
        examples: { up: { status: 'ok' } },
      },
    },
  }),
  ready: operation({
    ...common,
    id: 'getReadiness',
    summary: 'Whether database and archive directory can be used',
    answers: {
      200: {
        description: 'They can.',
        schema: shape('Readiness', { status: t.Literal('ready') }),
        examples: { ready: { status: 'ready' } },
      },
    },
    errors: { unavailable: 'The database or the archive directory cannot be used.' },
  }),
  metrics: operation({
    tag: 'System',
    access: 'token for everything',
    id: 'getMetrics',
    summary: 'What Prometheus collects',
    description:
      'Requests, caches, jobs, the age of syncs, requests to other servers, the event loop, the database and the disk. With METRICS_PUBLIC no token is needed.',
    answers: {
      200: {
        description: 'Metrics in the text format.',
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        headers: ['Cache-Control'],
      },
    },
  }),
  doctor: operation({
    tag: 'System',
    access: 'unrestricted token',
    id: 'examine',
    summary: 'What the server finds of itself',
    description:
      'Configuration, directories and their room, database, clock, repositories and the hosts they come from, each with what to do about it. Nothing is changed.',
    answers: {
      200: {
        description: 'What was found.',
        schema: t.Array(
          shape('Finding', {
            check: t.String({ description: 'what was looked at' }),
            state: words(['ok', 'warning', 'failure']),
            found: t.String({ description: 'what there is, in one sentence' }),
            advice: orNull(t.String({ description: 'what to do about it' })),
          }),
        ),
        examples: {
          room: [{ check: 'DATA_DIR', state: 'ok', found: '81920 MiB are free, 64 % of the disk.', advice: null }],
        },
      },
    },
  }),
  document: operation({
    ...common,
    id: 'getApiDocument',
    summary: 'This document',
    answers: {
      200: { description: 'OpenAPI 3.1.', schema: t.Object({ openapi: t.String() }), headers: ['Cache-Control'] },
    },
  }),
  page: operation({
    ...common,
    id: 'getApiPage',
    summary: 'This document as a page',
    answers: { 200: { description: 'The page.', contentType: 'text/html; charset=utf-8', headers: PAGE_HEADERS } },
  }),
  script: operation({
    ...common,
    id: 'getApiPageScript',
    summary: 'The script of the page',
    answers: {
      200: { description: 'The script.', contentType: 'text/javascript; charset=utf-8', headers: PAGE_HEADERS },
    },
  }),
  style: operation({
    ...common,
    id: 'getApiPageStyle',
    summary: 'The style of the page',
    answers: { 200: { description: 'The style.', contentType: 'text/css; charset=utf-8', headers: PAGE_HEADERS } },
  }),
}
