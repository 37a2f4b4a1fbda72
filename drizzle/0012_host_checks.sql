CREATE TABLE `host_checks` (
	`repository_id` text PRIMARY KEY NOT NULL,
	`asked_at` integer NOT NULL,
	`next_ask_at` integer NOT NULL,
	`problem_code` text,
	`problem_message` text,
	FOREIGN KEY (`repository_id`) REFERENCES `repositories`(`id`) ON UPDATE no action ON DELETE cascade
);
