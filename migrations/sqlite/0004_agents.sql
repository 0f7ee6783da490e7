CREATE TABLE `llm_provider_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`vendor` text NOT NULL,
	`label` text NOT NULL,
	`base_url` text,
	`options` text NOT NULL,
	`last4` text,
	`last_test` text,
	`models` text,
	`revealed_by` text,
	`revealed_at` integer,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `llm_provider_keys_label` ON `llm_provider_keys` (`tenant_id`,`vendor`,`label`);--> statement-breakpoint
CREATE TABLE `llm_prices` (
	`tenant_id` text NOT NULL,
	`model` text NOT NULL,
	`price` text NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `model`)
);
--> statement-breakpoint
CREATE TABLE `agents` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`instructions` text NOT NULL,
	`model_ref` text NOT NULL,
	`definition` text NOT NULL,
	`status` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `agents_project` ON `agents` (`tenant_id`,`project_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `run_recordings` (
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`step_id` text NOT NULL,
	`item` integer,
	`round` integer NOT NULL,
	`attempt` integer NOT NULL,
	`kind` text NOT NULL,
	`request_hash` text NOT NULL,
	`request` text NOT NULL,
	`response` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`run_id`, `seq`)
);
--> statement-breakpoint
CREATE INDEX `run_recordings_created` ON `run_recordings` (`created_at`);--> statement-breakpoint
ALTER TABLE `workflows` ADD `recording` integer;