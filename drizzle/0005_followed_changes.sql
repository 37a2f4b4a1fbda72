CREATE TABLE `manifest_provides` (
	`name` text NOT NULL,
	`repository_id` text NOT NULL,
	`blob_id` text NOT NULL,
	PRIMARY KEY(`name`, `repository_id`, `blob_id`),
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
-- Names that a text provides or replaces are found without reading every text.
CREATE TRIGGER `manifest_provides_of_new_manifest` AFTER INSERT ON `manifests` WHEN json_valid(NEW.content)
BEGIN
	INSERT INTO manifest_provides (name, repository_id, blob_id)
	SELECT DISTINCT lower(link.key), NEW.repository_id, NEW.blob_id
	FROM json_each(NEW.content) AS field, json_each(field.value) AS link
	WHERE field.key IN ('provide', 'replace') AND field.type = 'object';
END;
--> statement-breakpoint
INSERT INTO `manifest_provides` (`name`, `repository_id`, `blob_id`)
SELECT DISTINCT lower(link.key), m.repository_id, m.blob_id
FROM manifests AS m, json_each(m.content) AS field, json_each(field.value) AS link
WHERE json_valid(m.content) AND field.key IN ('provide', 'replace') AND field.type = 'object';
--> statement-breakpoint
-- The log of changes: a stamp is later than every one before, also when the clock is set back. Of a package only the
-- last change is kept, so that the log never has to be cut off. A package that is owned here hides one of an upstream.
CREATE TRIGGER `metadata_change_of_new_package` AFTER INSERT ON `packages`
BEGIN
	INSERT INTO metadata_changes (stamp, name, kind)
	SELECT max(CAST(unixepoch('subsec') * 10000 AS INTEGER), coalesce((SELECT max(stamp) FROM metadata_changes), 0) + 1), NEW.name,
		CASE WHEN NEW.repository_id IS NULL THEN 'delete' ELSE 'update' END;
	DELETE FROM metadata_changes WHERE name = NEW.name AND stamp <> (SELECT max(stamp) FROM metadata_changes WHERE name = NEW.name);
END;
--> statement-breakpoint
CREATE TRIGGER `metadata_change_of_package` AFTER UPDATE OF `revision`, `repository_id` ON `packages`
BEGIN
	INSERT INTO metadata_changes (stamp, name, kind)
	SELECT max(CAST(unixepoch('subsec') * 10000 AS INTEGER), coalesce((SELECT max(stamp) FROM metadata_changes), 0) + 1), NEW.name,
		CASE WHEN NEW.repository_id IS NULL THEN 'delete' ELSE 'update' END;
	DELETE FROM metadata_changes WHERE name = NEW.name AND stamp <> (SELECT max(stamp) FROM metadata_changes WHERE name = NEW.name);
END;
--> statement-breakpoint
CREATE TRIGGER `metadata_change_of_new_document` AFTER INSERT ON `upstream_documents` WHEN NEW.body IS NOT NULL
BEGIN
	INSERT INTO metadata_changes (stamp, name, kind)
	SELECT max(CAST(unixepoch('subsec') * 10000 AS INTEGER), coalesce((SELECT max(stamp) FROM metadata_changes), 0) + 1), NEW.name,
		CASE WHEN EXISTS (SELECT 1 FROM upstream_documents WHERE name = NEW.name AND body IS NOT NULL) THEN 'update' ELSE 'delete' END
	WHERE NOT EXISTS (SELECT 1 FROM packages WHERE name = NEW.name AND repository_id IS NOT NULL);
	DELETE FROM metadata_changes WHERE name = NEW.name AND stamp <> (SELECT max(stamp) FROM metadata_changes WHERE name = NEW.name);
END;
--> statement-breakpoint
CREATE TRIGGER `metadata_change_of_document` AFTER UPDATE OF `digest`, `modified_at` ON `upstream_documents` WHEN NEW.digest <> OLD.digest OR NEW.modified_at <> OLD.modified_at
BEGIN
	INSERT INTO metadata_changes (stamp, name, kind)
	SELECT max(CAST(unixepoch('subsec') * 10000 AS INTEGER), coalesce((SELECT max(stamp) FROM metadata_changes), 0) + 1), NEW.name,
		CASE WHEN EXISTS (SELECT 1 FROM upstream_documents WHERE name = NEW.name AND body IS NOT NULL) THEN 'update' ELSE 'delete' END
	WHERE NOT EXISTS (SELECT 1 FROM packages WHERE name = NEW.name AND repository_id IS NOT NULL);
	DELETE FROM metadata_changes WHERE name = NEW.name AND stamp <> (SELECT max(stamp) FROM metadata_changes WHERE name = NEW.name);
END;
--> statement-breakpoint
CREATE TRIGGER `metadata_change_of_old_document` AFTER DELETE ON `upstream_documents` WHEN OLD.body IS NOT NULL
BEGIN
	INSERT INTO metadata_changes (stamp, name, kind)
	SELECT max(CAST(unixepoch('subsec') * 10000 AS INTEGER), coalesce((SELECT max(stamp) FROM metadata_changes), 0) + 1), OLD.name,
		CASE WHEN EXISTS (SELECT 1 FROM upstream_documents WHERE name = OLD.name AND body IS NOT NULL) THEN 'update' ELSE 'delete' END
	WHERE NOT EXISTS (SELECT 1 FROM packages WHERE name = OLD.name AND repository_id IS NOT NULL);
	DELETE FROM metadata_changes WHERE name = OLD.name AND stamp <> (SELECT max(stamp) FROM metadata_changes WHERE name = OLD.name);
END;
--> statement-breakpoint
INSERT INTO `metadata_changes` (`stamp`, `name`, `kind`)
SELECT modified_at * 10000 + row_number() OVER (PARTITION BY modified_at ORDER BY revision), name,
	CASE WHEN repository_id IS NULL THEN 'delete' ELSE 'update' END
FROM packages;
