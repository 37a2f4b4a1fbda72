CREATE TABLE `audit_entries` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`subject` text NOT NULL,
	`before` text,
	`after` text,
	`request_id` text NOT NULL,
	`address` text
);
--> statement-breakpoint
CREATE INDEX `audit_entries_subject` ON `audit_entries` (`subject`);--> statement-breakpoint
CREATE INDEX `audit_entries_actor` ON `audit_entries` (`actor`);--> statement-breakpoint
CREATE TABLE `idempotent_answers` (
	`scope` text NOT NULL,
	`key` text NOT NULL,
	`body_hash` text NOT NULL,
	`status` integer,
	`answer` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`scope`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotent_answers_age` ON `idempotent_answers` (`created_at`);--> statement-breakpoint
CREATE TABLE `rate_windows` (
	`token_id` text NOT NULL,
	`starts_at` integer NOT NULL,
	`requests` integer NOT NULL,
	PRIMARY KEY(`token_id`, `starts_at`),
	FOREIGN KEY (`token_id`) REFERENCES `tokens`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `downloads` (
	`package_id` text NOT NULL,
	`version` text NOT NULL,
	`day` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`package_id`, `version`, `day`),
	FOREIGN KEY (`package_id`) REFERENCES `packages`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
ALTER TABLE `jobs` ADD `result` text;--> statement-breakpoint
ALTER TABLE `published_references` ADD `version_normalized` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `published_references` ADD `alias` text;--> statement-breakpoint
ALTER TABLE `published_references` ADD `released_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `allowed_packages` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `updates_until` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `previous_hash` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `previous_until` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `last_client` text;--> statement-breakpoint
CREATE UNIQUE INDEX `tokens_previous_hash_unique` ON `tokens` (`previous_hash`);--> statement-breakpoint
ALTER TABLE `versions` ADD `alias` text;--> statement-breakpoint
ALTER TABLE `versions` ADD `withdrawn_at` integer;