import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/* Tables about what this installation says of packages, its own and others', and what followers are told. */

/** Security advisories of this installation. */
export const advisories = sqliteTable(
  'advisories',
  {
    id: text('id').primaryKey(),
    /** Lower-case full name; need not be owned here. */
    packageName: text('package_name').notNull(),
    title: text('title').notNull(),
    /** Composer constraint. */
    affectedVersions: text('affected_versions').notNull(),
    link: text('link'),
    cve: text('cve'),
    severity: text('severity', { enum: ['low', 'medium', 'high', 'critical'] }),
    reportedAt: integer('reported_at').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [
    index('advisories_package').on(table.packageName),
    index('advisories_created_at').on(table.createdAt, table.id),
  ],
)

/** Entries of filter lists of this installation: versions that nobody is to install. */
export const filterEntries = sqliteTable(
  'filter_entries',
  {
    id: text('id').primaryKey(),
    /** `malware`, which clients heed by themselves, or a name that they have to name. */
    list: text('list').notNull(),
    /** Lower-case full name; need not be owned here. */
    packageName: text('package_name').notNull(),
    /** Composer constraint. */
    constraint: text('version_constraint').notNull(),
    reason: text('reason'),
    url: text('url'),
    /** Archives of these versions are refused. True of every entry on the list `malware`. */
    blocks: integer('blocks', { mode: 'boolean' }).notNull().default(true),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (table) => [
    index('filter_entries_package').on(table.packageName),
    index('filter_entries_created_at').on(table.createdAt, table.id),
  ],
)

/** Packages of which advisories or filter entries were ever changed, here or by an upstream. */
export const policyChanges = sqliteTable(
  'policy_changes',
  {
    /** Lower-case full name. */
    name: text('name').primaryKey(),
    /** Number of the last change, out of the counter of all changes. */
    revision: integer('revision').notNull(),
    /** Strictly rising, and later than the date of every document of the package before the change. */
    modifiedAt: integer('modified_at').notNull(),
  },
  (table) => [index('policy_changes_revision').on(table.revision)],
)

/** The last change of each package's metadata, for those who follow them. Triggers write it, nothing else. */
export const metadataChanges = sqliteTable(
  'metadata_changes',
  {
    /** 1/10,000 seconds since 1970, strictly rising. */
    stamp: integer('stamp').primaryKey(),
    /** Lower-case full name. */
    name: text('name').notNull(),
    kind: text('kind', { enum: ['update', 'delete'] }).notNull(),
  },
  (table) => [index('metadata_changes_name').on(table.name)],
)
