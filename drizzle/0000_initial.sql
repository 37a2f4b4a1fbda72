CREATE TABLE `archives` (
	`repository_id` text NOT NULL,
	`reference` text NOT NULL,
	`path` text NOT NULL,
	`sha1` text NOT NULL,
	`sha256` text NOT NULL,
	`size` integer NOT NULL,
	`format` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `reference`, `path`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `archives_sha256` ON `archives` (`sha256`);--> statement-breakpoint
CREATE TABLE `commits` (
	`repository_id` text NOT NULL,
	`commit_id` text NOT NULL,
	`committed_at` integer NOT NULL,
	`blob_id` text,
	`problem` text,
	PRIMARY KEY(`repository_id`, `commit_id`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`repository_id` text NOT NULL,
	`state` text NOT NULL,
	`dedupe_key` text,
	`priority` integer NOT NULL,
	`accept_removals` integer NOT NULL,
	`rerun` integer NOT NULL,
	`run_at` integer NOT NULL,
	`owner` text,
	`lease_until` integer,
	`attempt` integer NOT NULL,
	`progress_done` integer NOT NULL,
	`progress_total` integer NOT NULL,
	`progress_step` text NOT NULL,
	`error` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_dedupe_key_unique` ON `jobs` (`dedupe_key`);--> statement-breakpoint
CREATE INDEX `jobs_claim` ON `jobs` (`state`,`run_at`);--> statement-breakpoint
CREATE INDEX `jobs_repository` ON `jobs` (`repository_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `manifests` (
	`repository_id` text NOT NULL,
	`blob_id` text NOT NULL,
	`content` text NOT NULL,
	PRIMARY KEY(`repository_id`, `blob_id`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `packages` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`pretty_name` text NOT NULL,
	`repository_id` text,
	`description` text,
	`type` text DEFAULT 'library' NOT NULL,
	`abandoned` text NOT NULL,
	`latest_version` text,
	`revision` integer NOT NULL,
	`modified_at` integer NOT NULL,
	`offered` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE UNIQUE INDEX `packages_name_unique` ON `packages` (`name`);--> statement-breakpoint
CREATE INDEX `packages_repository` ON `packages` (`repository_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `packages_revision` ON `packages` (`revision`);--> statement-breakpoint
CREATE TABLE `published_references` (
	`package_id` text NOT NULL,
	`reference` text NOT NULL,
	`repository_id` text NOT NULL,
	`version` text NOT NULL,
	`published_at` integer NOT NULL,
	PRIMARY KEY(`package_id`, `reference`),
	FOREIGN KEY (`package_id`) REFERENCES `packages`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `published_references_repository` ON `published_references` (`repository_id`);--> statement-breakpoint
CREATE TABLE `refs` (
	`repository_id` text NOT NULL,
	`name` text NOT NULL,
	`commit_id` text NOT NULL,
	`issue` text,
	PRIMARY KEY(`repository_id`, `name`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `repositories` (
	`id` text PRIMARY KEY NOT NULL,
	`url` text NOT NULL,
	`url_key` text NOT NULL,
	`vcs_type` text NOT NULL,
	`credential_type` text NOT NULL,
	`credentials` text,
	`host_key` text,
	`package_filter` text,
	`sync_interval` integer,
	`archives` text NOT NULL,
	`expose_source` integer NOT NULL,
	`status` text NOT NULL,
	`error_code` text,
	`error_message` text,
	`default_branch` text,
	`refs_digest` text,
	`failures` integer DEFAULT 0 NOT NULL,
	`last_synced_at` integer,
	`next_sync_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `repositories_url_key_unique` ON `repositories` (`url_key`);--> statement-breakpoint
CREATE INDEX `repositories_next_sync_at` ON `repositories` (`next_sync_at`);--> statement-breakpoint
CREATE TABLE `settings` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`description` text DEFAULT '' NOT NULL,
	`permissions` text NOT NULL,
	`expires_at` integer,
	`allowed_package_prefixes` text NOT NULL,
	`rate_limit_max` integer,
	`metadata` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`last_used_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tokens_hash_unique` ON `tokens` (`hash`);--> statement-breakpoint
CREATE TABLE `versions` (
	`package_id` text NOT NULL,
	`version_normalized` text NOT NULL,
	`version` text NOT NULL,
	`stability` text NOT NULL,
	`kind` text NOT NULL,
	`ref_name` text NOT NULL,
	`reference` text NOT NULL,
	`blob_id` text NOT NULL,
	`default_branch` integer NOT NULL,
	`time` text NOT NULL,
	`released_at` integer NOT NULL,
	`shasum` text NOT NULL,
	`hidden_at` integer,
	`first_published_at` integer NOT NULL,
	PRIMARY KEY(`package_id`, `version_normalized`),
	FOREIGN KEY (`package_id`) REFERENCES `packages`(`id`) ON UPDATE no action ON DELETE cascade
);
