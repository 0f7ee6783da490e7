CREATE TABLE `mcp_servers` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`service` text NOT NULL,
	`description` text NOT NULL,
	`canonical_url` text NOT NULL,
	`mode` text NOT NULL,
	`auth_mode` text NOT NULL,
	`status` text NOT NULL,
	`status_reason` text,
	`bridge` text,
	`active_version_id` text,
	`last_validation` text,
	`last_validated_at` integer,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `mcp_servers_url` ON `mcp_servers` (`tenant_id`,`canonical_url`);--> statement-breakpoint
CREATE INDEX `mcp_servers_tenant` ON `mcp_servers` (`tenant_id`,`created_at`);--> statement-breakpoint
CREATE TABLE `mcp_server_versions` (
	`id` text PRIMARY KEY NOT NULL,
	`server_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`version` text NOT NULL,
	`tools` text NOT NULL,
	`config_schema` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`server_id`) REFERENCES `mcp_servers`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `mcp_server_versions_name` ON `mcp_server_versions` (`server_id`,`version`);--> statement-breakpoint
CREATE TABLE `connections` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`display_name` text NOT NULL,
	`provider` text NOT NULL,
	`service` text NOT NULL,
	`status` text NOT NULL,
	`status_reason` text,
	`account` text,
	`metadata` text NOT NULL,
	`expires_at` integer,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `connections_tenant` ON `connections` (`tenant_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `connections_expiry` ON `connections` (`expires_at`);--> statement-breakpoint
CREATE TABLE `connection_credentials` (
	`connection_id` text NOT NULL,
	`key` text NOT NULL,
	`last4` text NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`connection_id`, `key`),
	FOREIGN KEY (`connection_id`) REFERENCES `connections`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `oauth_states` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`user_id` text NOT NULL,
	`flow` text NOT NULL,
	`connection_id` text,
	`request` text NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `oauth_states_expiry` ON `oauth_states` (`expires_at`);--> statement-breakpoint
CREATE TABLE `connection_overrides` (
	`workflow_id` text NOT NULL,
	`instance_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`connection_id` text NOT NULL,
	PRIMARY KEY(`workflow_id`, `instance_id`)
);
--> statement-breakpoint
CREATE INDEX `connection_overrides_connection` ON `connection_overrides` (`tenant_id`,`connection_id`);--> statement-breakpoint
CREATE TABLE `egress_attempts` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`tenant_id` text,
	`project_id` text,
	`user_id` text,
	`run_id` text,
	`step_id` text,
	`what` text NOT NULL,
	`protocol` text NOT NULL,
	`host` text NOT NULL,
	`port` integer NOT NULL,
	`allowed` integer NOT NULL,
	`reason` text
);
--> statement-breakpoint
CREATE INDEX `egress_attempts_at` ON `egress_attempts` (`at`);--> statement-breakpoint
CREATE INDEX `egress_attempts_tenant` ON `egress_attempts` (`tenant_id`,`at`);--> statement-breakpoint
CREATE TABLE `artifacts` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`run_id` text,
	`step_id` text,
	`name` text,
	`mime_type` text NOT NULL,
	`size_bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `artifacts_project` ON `artifacts` (`tenant_id`,`project_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `artifacts_run` ON `artifacts` (`run_id`);--> statement-breakpoint
CREATE INDEX `artifacts_content` ON `artifacts` (`sha256`);--> statement-breakpoint
ALTER TABLE `projects` ADD `tool_drift` text;--> statement-breakpoint
ALTER TABLE `workflow_versions` ADD `tools` text;