CREATE TABLE `policy_changes` (
	`name` text PRIMARY KEY NOT NULL,
	`revision` integer NOT NULL,
	`modified_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `policy_changes_revision` ON `policy_changes` (`revision`);--> statement-breakpoint
ALTER TABLE `filter_entries` ADD `blocks` integer DEFAULT true NOT NULL;