-- What was recorded stays: nobody who writes through this database changes or removes an entry.
CREATE TRIGGER `audit_entries_never_updated` BEFORE UPDATE ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'entries of the audit are never changed');
END;
--> statement-breakpoint
CREATE TRIGGER `audit_entries_never_deleted` BEFORE DELETE ON `audit_entries`
BEGIN
	SELECT RAISE(ABORT, 'entries of the audit are never removed');
END;
