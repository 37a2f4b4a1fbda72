import type { Logger } from '../observability/logger.ts'
import type { UpstreamHttp } from '../sources/upstream-http.ts'
import type { Tables } from '../store/tables.ts'
import { UpstreamDirectory } from './directory.ts'
import { MirrorDocuments } from './documents.ts'
import { HostGates } from './host-gate.ts'
import { IssueNotes } from './issue-notes.ts'
import type { Upstream } from './upstream.ts'
import { createUpstreamReader, type UpstreamReader } from './upstream-reader.ts'
import type { UpstreamSet } from './upstreams.ts'

/** What the mirror stands on. `now` gives Unix seconds. */
export interface MirrorFoundation {
  readonly upstreams: UpstreamSet
  readonly http: UpstreamHttp
  readonly tables: Tables
  readonly logger: Logger
  readonly now: () => number
}

/** Packages of upstreams, and what else is asked of those. */
export interface OpenMirror {
  readonly documents: MirrorDocuments
  readonly readerOf: (upstream: Upstream) => UpstreamReader
  readonly issues: IssueNotes
  readonly directory: UpstreamDirectory
}

/** Builds what reads packages of upstreams. An upstream has one reader as long as its settings are the same. */
export function openMirror({ upstreams, http, tables, logger, now }: MirrorFoundation): OpenMirror {
  const issues = new IssueNotes(tables.upstreamIssues, now)
  const gates = new HostGates()
  const readers = new WeakMap<Upstream, UpstreamReader>()
  const onIssue = issues.note.bind(issues)
  const readerOf = (upstream: Upstream): UpstreamReader => {
    const known = readers.get(upstream)
    if (known) return known
    const reader = createUpstreamReader(upstream, { http, gates, files: tables.upstreamFiles, logger, onIssue, now })
    readers.set(upstream, reader)
    return reader
  }
  const table = tables.upstreamDocuments
  const onRead = issues.read.bind(issues)
  return {
    documents: new MirrorDocuments({ upstreams, readerOf, table, logger, onRead, now }),
    readerOf,
    issues,
    directory: new UpstreamDirectory({ upstreams, readerOf, logger }),
  }
}
