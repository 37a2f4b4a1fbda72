CREATE TABLE `advisories` (
	`id` text PRIMARY KEY NOT NULL,
	`package_name` text NOT NULL,
	`title` text NOT NULL,
	`affected_versions` text NOT NULL,
	`link` text,
	`cve` text,
	`severity` text,
	`reported_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `advisories_package` ON `advisories` (`package_name`);--> statement-breakpoint
CREATE INDEX `advisories_created_at` ON `advisories` (`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `filter_entries` (
	`id` text PRIMARY KEY NOT NULL,
	`list` text NOT NULL,
	`package_name` text NOT NULL,
	`version_constraint` text NOT NULL,
	`reason` text,
	`url` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `filter_entries_package` ON `filter_entries` (`package_name`);--> statement-breakpoint
CREATE INDEX `filter_entries_created_at` ON `filter_entries` (`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `metadata_changes` (
	`stamp` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `metadata_changes_name` ON `metadata_changes` (`name`);--> statement-breakpoint
CREATE TABLE `retired_dists` (
	`repository_id` text NOT NULL,
	`name` text NOT NULL,
	`dist_id` text NOT NULL,
	`content` text NOT NULL,
	`version` text NOT NULL,
	`version_normalized` text NOT NULL,
	`released_at` integer NOT NULL,
	`retired_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `name`, `dist_id`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `upstream_advisories` (
	`repository_id` text NOT NULL,
	`name` text NOT NULL,
	`content` text NOT NULL,
	`checked_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `name`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `upstream_documents` (
	`repository_id` text NOT NULL,
	`name` text NOT NULL,
	`dev` integer NOT NULL,
	`body` blob,
	`digest` text NOT NULL,
	`etag` text,
	`last_modified` text,
	`first_seen` text NOT NULL,
	`fetched_at` integer NOT NULL,
	`checked_at` integer NOT NULL,
	`missing_since` integer,
	`modified_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `name`, `dev`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `upstream_documents_name` ON `upstream_documents` (`name`);--> statement-breakpoint
CREATE TABLE `upstream_files` (
	`repository_id` text NOT NULL,
	`url` text NOT NULL,
	`body` blob NOT NULL,
	`etag` text,
	`last_modified` text,
	`fetched_at` integer NOT NULL,
	`checked_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `url`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `upstream_issues` (
	`repository_id` text NOT NULL,
	`subject` text NOT NULL,
	`reason` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `subject`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `upstreams` (
	`repository_id` text PRIMARY KEY NOT NULL,
	`priority` integer NOT NULL,
	`package_deny` text,
	`fresh_for` integer NOT NULL,
	`stale_if_error` integer NOT NULL,
	`minimum_release_age` integer NOT NULL,
	`release_age_exceptions` text,
	`release_age_passes_fixes` integer NOT NULL,
	`changes_read` integer,
	`revision` integer NOT NULL,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
