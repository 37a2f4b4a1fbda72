CREATE TABLE `discovered_repositories` (
	`discovery_id` text NOT NULL,
	`host_id` text NOT NULL,
	`path` text NOT NULL,
	`clone_url` text NOT NULL,
	`state` text NOT NULL,
	`reason` text,
	`repository_id` text,
	`pushed_at` integer,
	`seen_at` integer NOT NULL,
	PRIMARY KEY(`discovery_id`, `host_id`),
	FOREIGN KEY (`discovery_id`) REFERENCES `discoveries`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE INDEX `discovered_repositories_repository` ON `discovered_repositories` (`repository_id`);--> statement-breakpoint
CREATE TABLE `discoveries` (
	`id` text PRIMARY KEY NOT NULL,
	`vcs_type` text NOT NULL,
	`url` text NOT NULL,
	`url_key` text NOT NULL,
	`credential_type` text NOT NULL,
	`credentials` text,
	`include` text,
	`exclude` text,
	`include_archived` integer NOT NULL,
	`include_forks` integer NOT NULL,
	`template` text NOT NULL,
	`interval` integer,
	`status` text NOT NULL,
	`error_code` text,
	`error_message` text,
	`failures` integer DEFAULT 0 NOT NULL,
	`validator` text,
	`last_listed_at` integer,
	`last_probed_at` integer,
	`next_look_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `discoveries_url_key_unique` ON `discoveries` (`url_key`);--> statement-breakpoint
CREATE INDEX `discoveries_next_look_at` ON `discoveries` (`next_look_at`);--> statement-breakpoint
CREATE TABLE `host_repositories` (
	`repository_id` text PRIMARY KEY NOT NULL,
	`host_id` text NOT NULL,
	`path` text NOT NULL,
	`clone_url` text NOT NULL,
	`default_branch` text,
	`archived` integer NOT NULL,
	`visibility` text NOT NULL,
	`description` text,
	`web_url` text NOT NULL,
	`issues_url` text,
	`checked_at` integer NOT NULL,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`repository_id` text NOT NULL,
	`delivery_id` text NOT NULL,
	`received_at` integer NOT NULL,
	PRIMARY KEY(`repository_id`, `delivery_id`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `webhook_deliveries_received_at` ON `webhook_deliveries` (`received_at`);--> statement-breakpoint
CREATE TABLE `__new_commits` (
	`repository_id` text NOT NULL,
	`commit_id` text NOT NULL,
	`path` text DEFAULT '' NOT NULL,
	`committed_at` integer NOT NULL,
	`blob_id` text,
	`problem` text,
	PRIMARY KEY(`repository_id`, `commit_id`, `path`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `__new_commits`("repository_id", "commit_id", "path", "committed_at", "blob_id", "problem") SELECT "repository_id", "commit_id", '', "committed_at", "blob_id", "problem" FROM `commits`;--> statement-breakpoint
DROP TABLE `commits`;--> statement-breakpoint
ALTER TABLE `__new_commits` RENAME TO `commits`;--> statement-breakpoint
ALTER TABLE `jobs` ADD `host` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `credential` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `published_references` ADD `path` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `repositories` ADD `composer_json_paths` text;--> statement-breakpoint
ALTER TABLE `repositories` ADD `webhook_secret` text;--> statement-breakpoint
ALTER TABLE `repositories` ADD `webhook_id` text;--> statement-breakpoint
ALTER TABLE `repositories` ADD `last_webhook_at` integer;--> statement-breakpoint
ALTER TABLE `repositories` ADD `discovery_id` text REFERENCES discoveries(id) ON DELETE set null;--> statement-breakpoint
CREATE INDEX `repositories_discovery` ON `repositories` (`discovery_id`);--> statement-breakpoint
ALTER TABLE `versions` ADD `path` text DEFAULT '' NOT NULL;