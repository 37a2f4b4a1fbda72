CREATE TABLE `upstream_names` (
	`repository_id` text NOT NULL,
	`name` text NOT NULL,
	PRIMARY KEY(`repository_id`, `name`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `upstream_names_name` ON `upstream_names` (`name`);--> statement-breakpoint
ALTER TABLE `upstreams` ADD `patterns` text;--> statement-breakpoint
ALTER TABLE `upstreams` ADD `names_digest` text DEFAULT '' NOT NULL;