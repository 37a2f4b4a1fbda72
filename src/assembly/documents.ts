import { MirroredDocuments } from '../http/composer-api/mirrored-document.ts'
import { PackageDocuments } from '../http/composer-api/package-document.ts'
import { OwnPolicies } from '../http/composer-api/package-policies.ts'
import { RootDocuments } from '../http/composer-api/root-document.ts'
import { addSamples } from '../metric-samples.ts'
import { UpstreamFilterLists } from '../mirror/filter-lists.ts'
import { MirrorImports } from '../mirror/imports.ts'
import { MirroredArchives } from '../mirror/mirrored-archives.ts'
import { RelayedAdvisories } from '../mirror/relayed-advisories.ts'
import type { Parts } from './parts.ts'

/** What makes the documents that `composer` reads. */
export function documentsOf(parts: Parts) {
  const { tables, installedAt, config, now } = parts
  const ownPolicies = new OwnPolicies(tables.advisories, tables.filters)
  const roots = new RootDocuments(parts, installedAt, config)
  const documents = new PackageDocuments(tables.packages, ownPolicies)
  const mirrored = new MirroredDocuments(parts.policies, ownPolicies, now)
  addSamples(parts.metrics, { ...parts, documents: { root: roots, owned: documents, mirrored } })
  return {
    metricsGate: config.metricsPublic ? null : parts.verifier,
    mirror: parts.mirror.documents,
    directory: parts.mirror.directory,
    upstreamSet: parts.upstreamSet,
    policies: parts.policies,
    ownPolicies,
    relayed: relayOf(parts),
    mirroredArchives: mirroredArchives(parts),
    mirrorImports: mirrorImports(parts),
    filterLists: filterListsOf(parts),
    roots,
    documents,
    mirrored,
  }
}

function mirroredArchives(parts: Parts): MirroredArchives {
  const { upstreamSet: upstreams, mirror, tables, archiveDownloads: store, http, now } = parts
  return new MirroredArchives({ mirror: mirror.documents, upstreams, table: tables.upstreamArchives, store, http, now })
}

function relayOf({ upstreamSet: upstreams, mirror, tables, logger, now }: Parts) {
  const { documents, readerOf } = mirror
  return new RelayedAdvisories({
    upstreams,
    readerOf,
    mirror: documents,
    table: tables.upstreamAdvisories,
    logger,
    now,
  })
}

function filterListsOf({ upstreamSet: upstreams, mirror, logger }: Parts) {
  return new UpstreamFilterLists({ upstreams, readerOf: mirror.readerOf, mirror: mirror.documents, logger })
}

function mirrorImports({ upstreamSet: upstreams, tables, archiveDownloads: store, now }: Parts): MirrorImports {
  return new MirrorImports({
    ...{ upstreams, store, now },
    documents: tables.upstreamDocuments,
    files: tables.upstreamFiles,
    archives: tables.upstreamArchives,
    imports: tables.upstreamImports,
  })
}
