ALTER TABLE `discoveries` ADD `claimed_by` text;--> statement-breakpoint
ALTER TABLE `discoveries` ADD `look_again` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `discoveries` ADD `accept_removals` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `discoveries` ADD `next_probe_at` integer;