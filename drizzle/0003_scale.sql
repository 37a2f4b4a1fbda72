CREATE TABLE `token_metadata` (
	`token_id` text NOT NULL,
	`key` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`token_id`, `key`),
	FOREIGN KEY (`token_id`) REFERENCES `tokens`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `token_metadata_value` ON `token_metadata` (`key`,`value`,`token_id`);--> statement-breakpoint
CREATE INDEX `tokens_created_at` ON `tokens` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `packages_created_at` ON `packages` (`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `packages_type` ON `packages` (`type`,`created_at`,`id`);--> statement-breakpoint
-- The metadata of tokens is found through a table of its own, which follows the column.
CREATE TRIGGER `token_metadata_of_new_token` AFTER INSERT ON `tokens`
BEGIN
	INSERT INTO token_metadata (token_id, key, value) SELECT NEW.id, entry.key, entry.value FROM json_each(NEW.metadata) AS entry;
END;
--> statement-breakpoint
CREATE TRIGGER `token_metadata_of_changed_token` AFTER UPDATE OF `metadata` ON `tokens`
BEGIN
	DELETE FROM token_metadata WHERE token_id = NEW.id;
	INSERT INTO token_metadata (token_id, key, value) SELECT NEW.id, entry.key, entry.value FROM json_each(NEW.metadata) AS entry;
END;
--> statement-breakpoint
INSERT INTO `token_metadata` (`token_id`, `key`, `value`) SELECT t.id, entry.key, entry.value FROM tokens AS t, json_each(t.metadata) AS entry;
