CREATE TABLE `token_scope_names` (
	`token_id` text NOT NULL,
	`kind` text NOT NULL,
	`name` text NOT NULL,
	PRIMARY KEY(`token_id`, `kind`, `name`),
	FOREIGN KEY (`token_id`) REFERENCES `tokens`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `token_scope_names_name` ON `token_scope_names` (`name`,`kind`,`token_id`);--> statement-breakpoint
DROP INDEX `packages_created_at`;--> statement-breakpoint
DROP INDEX `packages_type`;--> statement-breakpoint
CREATE INDEX `tokens_permissions` ON `tokens` (`permissions`,`created_at`,`id`);--> statement-breakpoint
-- Tokens inside a scope are found through a table of its own, which follows what they name.
CREATE TRIGGER `token_scope_names_of_new_token` AFTER INSERT ON `tokens`
BEGIN
	INSERT INTO token_scope_names (token_id, kind, name)
		SELECT DISTINCT NEW.id, 'prefix', lower(entry.value) FROM json_each(NEW.allowed_package_prefixes) AS entry
		UNION ALL SELECT DISTINCT NEW.id, 'package', lower(entry.value ->> 'name') FROM json_each(NEW.allowed_packages) AS entry;
END;
--> statement-breakpoint
CREATE TRIGGER `token_scope_names_of_changed_token` AFTER UPDATE OF `allowed_package_prefixes`, `allowed_packages` ON `tokens`
BEGIN
	DELETE FROM token_scope_names WHERE token_id = NEW.id;
	INSERT INTO token_scope_names (token_id, kind, name)
		SELECT DISTINCT NEW.id, 'prefix', lower(entry.value) FROM json_each(NEW.allowed_package_prefixes) AS entry
		UNION ALL SELECT DISTINCT NEW.id, 'package', lower(entry.value ->> 'name') FROM json_each(NEW.allowed_packages) AS entry;
END;
--> statement-breakpoint
INSERT INTO `token_scope_names` (`token_id`, `kind`, `name`)
		SELECT DISTINCT t.id, 'prefix', lower(entry.value) FROM tokens AS t, json_each(t.allowed_package_prefixes) AS entry
		UNION ALL SELECT DISTINCT t.id, 'package', lower(entry.value ->> 'name') FROM tokens AS t, json_each(t.allowed_packages) AS entry;
