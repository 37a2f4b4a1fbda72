import { ArchiveTable } from './archives.ts'
import { ArtifactTable } from './artifacts.ts'
import { AuditTable } from './audit.ts'
import type { Database } from './database.ts'
import { DiscoveredRepositoryTable } from './discovered-repositories.ts'
import { DiscoveryTable } from './discoveries.ts'
import { DiscoveryClaimTable } from './discovery-claims.ts'
import { DownloadTable } from './downloads.ts'
import { HostRepositoryTable } from './host-repositories.ts'
import { IdempotentAnswerTable } from './idempotent-answers.ts'
import { JobHolds } from './job-holds.ts'
import { JobTable } from './jobs.ts'
import { MetadataChangeTable } from './metadata-changes.ts'
import { PackageTable } from './packages.ts'
import { PolicyChangeTable, PolicyEntryTable } from './policy-entries.ts'
import { ProviderTable } from './providers.ts'
import { RateWindowTable } from './rate-windows.ts'
import { RepositoryTable } from './repositories.ts'
import { SealedValueTable } from './sealed-values.ts'
import { SettingTable } from './settings.ts'
import { SyncStateTable } from './sync-state.ts'
import { TokenTable } from './tokens.ts'
import { UpstreamAdvisoryTable } from './upstream-advisories.ts'
import { UpstreamArchiveTable } from './upstream-archives.ts'
import { UpstreamDocumentTable } from './upstream-documents.ts'
import { UpstreamFileTable } from './upstream-files.ts'
import { UpstreamImportTable } from './upstream-imports.ts'
import { UpstreamIssueTable } from './upstream-issues.ts'
import { UpstreamLogTable } from './upstream-log.ts'
import { UpstreamNameTable } from './upstream-names.ts'
import { UpstreamTable } from './upstreams.ts'
import { WebhookTable } from './webhooks.ts'
import { WithdrawalTable } from './withdrawals.ts'

/** Every table of a database, by what it holds. */
export type Tables = ReturnType<typeof openTables>

/** The tables over an open database. */
export function openTables(db: Database) {
  return {
    settings: new SettingTable(db),
    sealedValues: new SealedValueTable(db),
    tokens: new TokenTable(db),
    rateWindows: new RateWindowTable(db),
    repositories: new RepositoryTable(db),
    upstreams: new UpstreamTable(db),
    upstreamLog: new UpstreamLogTable(db),
    upstreamNames: new UpstreamNameTable(db),
    upstreamArchives: new UpstreamArchiveTable(db),
    discoveries: new DiscoveryTable(db),
    discoveryClaims: new DiscoveryClaimTable(db),
    discovered: new DiscoveredRepositoryTable(db),
    hostRepositories: new HostRepositoryTable(db),
    jobs: new JobTable(db),
    jobHolds: new JobHolds(db),
    packages: new PackageTable(db),
    syncState: new SyncStateTable(db),
    archives: new ArchiveTable(db),
    artifacts: new ArtifactTable(db),
    audit: new AuditTable(db),
    idempotentAnswers: new IdempotentAnswerTable(db),
    downloads: new DownloadTable(db),
    changes: new MetadataChangeTable(db),
    providers: new ProviderTable(db),
    upstreamAdvisories: new UpstreamAdvisoryTable(db),
    upstreamDocuments: new UpstreamDocumentTable(db),
    upstreamIssues: new UpstreamIssueTable(db),
    upstreamImports: new UpstreamImportTable(db),
    upstreamFiles: new UpstreamFileTable(db),
    webhooks: new WebhookTable(db),
    withdrawals: new WithdrawalTable(db),
    advisories: new PolicyEntryTable(db, 'advisories'),
    filters: new PolicyEntryTable(db, 'filters'),
    policyChanges: new PolicyChangeTable(db),
  }
}
