CREATE TABLE `run_values` (
	`run_id` text NOT NULL,
	`hash` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`run_id`, `hash`)
);
--> statement-breakpoint
CREATE TABLE `run_snapshots` (
	`run_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`format` integer NOT NULL,
	`state` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `run_counts` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`status` text NOT NULL,
	`day` integer NOT NULL,
	`n` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `project_id`, `workflow_id`, `status`, `day`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `boots` (
	`id` text PRIMARY KEY NOT NULL,
	`started_at` integer NOT NULL,
	`lease_until` integer NOT NULL
);
--> statement-breakpoint
DROP INDEX `runs_feed`;--> statement-breakpoint
DROP INDEX `runs_workflow`;--> statement-breakpoint
DROP INDEX `runs_live`;--> statement-breakpoint
ALTER TABLE `runs` ADD `input_hash` text;--> statement-breakpoint
CREATE INDEX `runs_status` ON `runs` (`tenant_id`,`project_id`,`status`,`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `runs_workflow_status` ON `runs` (`workflow_id`,`status`,`started_at`,`id`);--> statement-breakpoint
ALTER TABLE `run_events` ADD `beside` text;--> statement-breakpoint
INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
	SELECT tenant_id, project_id, workflow_id, status, started_at / 86400000, count(*) FROM runs GROUP BY 1, 2, 3, 4, 5;--> statement-breakpoint
INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
	SELECT tenant_id, project_id, '', status, day, sum(n) FROM run_counts GROUP BY tenant_id, project_id, status, day;
