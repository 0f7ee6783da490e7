CREATE TABLE `inbound_subscriptions` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`name` text NOT NULL,
	`enabled` integer NOT NULL,
	`automation_pat_id` text NOT NULL,
	`extras` text NOT NULL,
	`callback_url` text,
	`rate_per_minute` integer,
	`previous_secret_until` integer,
	`refused` integer NOT NULL,
	`last_refused_at` integer,
	`last_refusal` text,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `inbound_subscriptions_project` ON `inbound_subscriptions` (`tenant_id`,`project_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`subscription_id` text NOT NULL,
	`received_at` integer NOT NULL,
	`scheme` text NOT NULL,
	`signed_with` text NOT NULL,
	`idempotency_key` text,
	`dedupe_key` text,
	`body_hash` text NOT NULL,
	`headers` text NOT NULL,
	`body` blob NOT NULL,
	`status` text NOT NULL,
	`reason_code` text,
	`reason` text,
	`run_id` text NOT NULL,
	`retry_at` integer,
	`redelivery_of` text,
	`redelivered_by` text
);
--> statement-breakpoint
CREATE INDEX `webhook_deliveries_list` ON `webhook_deliveries` (`subscription_id`,`received_at`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_deliveries_key` ON `webhook_deliveries` (`subscription_id`,`dedupe_key`) WHERE "webhook_deliveries"."dedupe_key" is not null;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_parked` ON `webhook_deliveries` (`subscription_id`,`status`,`received_at`) WHERE "webhook_deliveries"."reason_code" is not null;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_retry` ON `webhook_deliveries` (`retry_at`) WHERE "webhook_deliveries"."retry_at" is not null;--> statement-breakpoint
CREATE TABLE `triggers` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`type` text NOT NULL,
	`name` text NOT NULL,
	`enabled` integer NOT NULL,
	`config` text NOT NULL,
	`user_id` text NOT NULL,
	`scopes` text,
	`callback_url` text,
	`note` text,
	`next_run_at` integer,
	`due_at` integer,
	`last_fired_at` integer,
	`fire_count` integer NOT NULL,
	`event_type` text,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `triggers_workflow` ON `triggers` (`workflow_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `triggers_due` ON `triggers` (`due_at`) WHERE "triggers"."due_at" is not null;--> statement-breakpoint
CREATE INDEX `triggers_event` ON `triggers` (`project_id`,`event_type`) WHERE "triggers"."event_type" is not null;--> statement-breakpoint
CREATE TABLE `trigger_fires` (
	`id` text PRIMARY KEY NOT NULL,
	`trigger_id` text NOT NULL,
	`source` text NOT NULL,
	`scheduled_for` integer,
	`outcome` text NOT NULL,
	`reason` text,
	`run_id` text,
	`at` integer NOT NULL,
	`queued_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `trigger_fires_moment` ON `trigger_fires` (`trigger_id`,`scheduled_for`);--> statement-breakpoint
CREATE INDEX `trigger_fires_list` ON `trigger_fires` (`trigger_id`,`at`,`id`);--> statement-breakpoint
CREATE INDEX `trigger_fires_runs` ON `trigger_fires` (`trigger_id`,`at`) WHERE "trigger_fires"."run_id" is not null;--> statement-breakpoint
CREATE INDEX `trigger_fires_queued` ON `trigger_fires` (`queued_at`) WHERE "trigger_fires"."queued_at" is not null;--> statement-breakpoint
CREATE INDEX `trigger_fires_age` ON `trigger_fires` (`at`);--> statement-breakpoint
CREATE TABLE `platform_events` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`type` text NOT NULL,
	`data` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `alerts` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`kind` text NOT NULL,
	`subject_id` text NOT NULL,
	`message` text NOT NULL,
	`raised_at` integer NOT NULL,
	`cleared_at` integer,
	`standing` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `alerts_standing_unique` ON `alerts` (`standing`);--> statement-breakpoint
CREATE INDEX `alerts_project` ON `alerts` (`tenant_id`,`project_id`,`raised_at`);--> statement-breakpoint
CREATE TABLE `leaders` (
	`name` text PRIMARY KEY NOT NULL,
	`boot_id` text NOT NULL,
	`lease_until` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `run_callbacks` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`run_id` text NOT NULL,
	`url` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`next_attempt_at` integer,
	`attempts` text NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE INDEX `run_callbacks_run` ON `run_callbacks` (`run_id`);--> statement-breakpoint
CREATE INDEX `run_callbacks_due` ON `run_callbacks` (`next_attempt_at`) WHERE "run_callbacks"."next_attempt_at" is not null;--> statement-breakpoint
CREATE INDEX `run_callbacks_age` ON `run_callbacks` (`created_at`);--> statement-breakpoint
ALTER TABLE `runs` ADD `callback_url` text;