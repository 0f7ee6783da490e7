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

CREATE INDEX `agents_project` ON `agents` (`tenant_id`,`project_id`,`created_at`);

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

CREATE INDEX `alerts_project` ON `alerts` (`tenant_id`,`project_id`,`raised_at`);

CREATE UNIQUE INDEX `alerts_standing_unique` ON `alerts` (`standing`);

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

CREATE INDEX `artifacts_content` ON `artifacts` (`sha256`);

CREATE INDEX `artifacts_project` ON `artifacts` (`tenant_id`,`project_id`,`created_at`);

CREATE INDEX `artifacts_run` ON `artifacts` (`run_id`);

CREATE TABLE `boots` (
	`id` text PRIMARY KEY NOT NULL,
	`started_at` integer NOT NULL,
	`lease_until` integer NOT NULL
);

CREATE TABLE `connection_credentials` (
	`connection_id` text NOT NULL,
	`key` text NOT NULL,
	`last4` text NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`connection_id`, `key`),
	FOREIGN KEY (`connection_id`) REFERENCES `connections`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE TABLE `connection_overrides` (
	`workflow_id` text NOT NULL,
	`instance_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`connection_id` text NOT NULL,
	PRIMARY KEY(`workflow_id`, `instance_id`)
);

CREATE INDEX `connection_overrides_connection` ON `connection_overrides` (`tenant_id`,`connection_id`);

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

CREATE INDEX `connections_expiry` ON `connections` (`expires_at`);

CREATE INDEX `connections_tenant` ON `connections` (`tenant_id`,`created_at`);

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

CREATE INDEX `egress_attempts_at` ON `egress_attempts` (`at`);

CREATE INDEX `egress_attempts_tenant` ON `egress_attempts` (`tenant_id`,`at`);

CREATE TABLE `human_tasks` (
	`run_id` text NOT NULL,
	`task_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`workflow_name` text NOT NULL,
	`step_id` text NOT NULL,
	`step_name` text NOT NULL,
	`task_type` text NOT NULL,
	`payload` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`ended_at` integer,
	`ended_by` text,
	PRIMARY KEY(`run_id`, `task_id`)
);

CREATE INDEX `human_tasks_inbox` ON `human_tasks` (`tenant_id`,`project_id`,`status`,`created_at`);

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

CREATE INDEX `inbound_subscriptions_project` ON `inbound_subscriptions` (`tenant_id`,`project_id`,`created_at`);

CREATE TABLE `instance_facts` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);

CREATE TABLE `leaders` (
	`name` text PRIMARY KEY NOT NULL,
	`boot_id` text NOT NULL,
	`lease_until` integer NOT NULL
);

CREATE TABLE `llm_prices` (
	`tenant_id` text NOT NULL,
	`model` text NOT NULL,
	`price` text NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `model`)
);

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

CREATE UNIQUE INDEX `llm_provider_keys_label` ON `llm_provider_keys` (`tenant_id`,`vendor`,`label`);

CREATE TABLE `login_limits` (
	`key` text PRIMARY KEY NOT NULL,
	`failures` integer NOT NULL,
	`window_started_at` integer NOT NULL
);

CREATE TABLE `mcp_config_profiles` (
	`id` text PRIMARY KEY NOT NULL,
	`instance_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`active` integer NOT NULL,
	`config` text NOT NULL,
	`source_spec` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`instance_id`) REFERENCES `mcp_instances`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE INDEX `mcp_config_profiles_instance` ON `mcp_config_profiles` (`instance_id`);

CREATE TABLE `mcp_instances` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`server_id` text NOT NULL,
	`server_slug` text NOT NULL,
	`server_url` text NOT NULL,
	`name` text NOT NULL,
	`status` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);

CREATE INDEX `mcp_instances_project` ON `mcp_instances` (`tenant_id`,`project_id`,`server_url`);

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

CREATE UNIQUE INDEX `mcp_server_versions_name` ON `mcp_server_versions` (`server_id`,`version`);

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

CREATE INDEX `mcp_servers_tenant` ON `mcp_servers` (`tenant_id`,`created_at`);

CREATE UNIQUE INDEX `mcp_servers_url` ON `mcp_servers` (`tenant_id`,`canonical_url`);

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

CREATE INDEX `oauth_states_expiry` ON `oauth_states` (`expires_at`);

CREATE TABLE `one_time_links` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`purpose` text NOT NULL,
	`tenant_id` text,
	`user_id` text,
	`invited_by` text,
	`data` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer
);

CREATE UNIQUE INDEX `one_time_links_id_unique` ON `one_time_links` (`id`);

CREATE INDEX `one_time_links_tenant` ON `one_time_links` (`tenant_id`);

CREATE TABLE `pats` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`created_by_pat_id` text,
	`user_id` text NOT NULL,
	`display_name` text NOT NULL,
	`token_hash` text NOT NULL,
	`token_hint` text NOT NULL,
	`scopes` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`revealed_at` integer,
	`revoked_at` integer,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`project_id`) REFERENCES `projects`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE INDEX `pats_maker` ON `pats` (`created_by_pat_id`);

CREATE INDEX `pats_tenant` ON `pats` (`tenant_id`,`project_id`);

CREATE UNIQUE INDEX `pats_token_hash_unique` ON `pats` (`token_hash`);

CREATE TABLE `platform_events` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`type` text NOT NULL,
	`data` text NOT NULL,
	`created_at` integer NOT NULL
);

CREATE TABLE `project_members` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`user_id` text NOT NULL,
	`role` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`project_id`, `user_id`),
	FOREIGN KEY (`project_id`) REFERENCES `projects`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE INDEX `project_members_user` ON `project_members` (`user_id`);

CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`archived_at` integer, `tool_drift` text,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE UNIQUE INDEX `projects_slug` ON `projects` (`tenant_id`,`slug`);

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

CREATE INDEX `run_callbacks_age` ON `run_callbacks` (`created_at`);

CREATE INDEX `run_callbacks_due` ON `run_callbacks` (`next_attempt_at`) WHERE "run_callbacks"."next_attempt_at" is not null;

CREATE INDEX `run_callbacks_run` ON `run_callbacks` (`run_id`);

CREATE TABLE `run_counts` (
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`status` text NOT NULL,
	`day` integer NOT NULL,
	`n` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `project_id`, `workflow_id`, `status`, `day`)
) WITHOUT ROWID;

CREATE TABLE `run_events` (
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	`type` text NOT NULL,
	`step_id` text,
	`data` text NOT NULL,
	`created_at` integer NOT NULL, `beside` text,
	PRIMARY KEY(`run_id`, `seq`)
) WITHOUT ROWID;

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

CREATE INDEX `run_recordings_created` ON `run_recordings` (`created_at`);

CREATE TABLE `run_snapshots` (
	`run_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`format` integer NOT NULL,
	`state` text NOT NULL
);

CREATE TABLE `run_values` (
	`run_id` text NOT NULL,
	`hash` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`run_id`, `hash`)
);

CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`workflow_id` text NOT NULL,
	`workflow_name` text NOT NULL,
	`version` integer NOT NULL,
	`status` text NOT NULL,
	`pause_reason` text,
	`trigger_type` text NOT NULL,
	`input` text NOT NULL,
	`excluded_step_ids` text,
	`parent_run_id` text,
	`parent` text,
	`created_by` text NOT NULL,
	`started_at` integer NOT NULL,
	`completed_at` integer,
	`failure_code` text,
	`failed_step_id` text,
	`error` text,
	`idempotency_key` text,
	`idempotency_hash` text,
	`owner_boot_id` text,
	`wake_at` integer
, `input_hash` text, `callback_url` text);

CREATE UNIQUE INDEX `runs_idempotency` ON `runs` (`project_id`,`idempotency_key`) WHERE "runs"."idempotency_key" is not null;

CREATE INDEX `runs_owner` ON `runs` (`owner_boot_id`) WHERE "runs"."owner_boot_id" is not null;

CREATE INDEX `runs_parent` ON `runs` (`parent_run_id`) WHERE "runs"."parent_run_id" is not null;

CREATE INDEX `runs_status` ON `runs` (`tenant_id`,`project_id`,`status`,`started_at`,`id`);

CREATE INDEX `runs_wake` ON `runs` (`wake_at`) WHERE "runs"."wake_at" is not null;

CREATE INDEX `runs_workflow_status` ON `runs` (`workflow_id`,`status`,`started_at`,`id`);

CREATE TABLE `sessions` (
	`token_hash` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_seen_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`user_agent` text,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE INDEX `sessions_expiry` ON `sessions` (`expires_at`);

CREATE INDEX `sessions_user` ON `sessions` (`user_id`);

CREATE TABLE `tenant_members` (
	`tenant_id` text NOT NULL,
	`user_id` text NOT NULL,
	`role` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `user_id`),
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE INDEX `tenant_members_user` ON `tenant_members` (`user_id`);

CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);

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

CREATE INDEX `trigger_fires_age` ON `trigger_fires` (`at`);

CREATE INDEX `trigger_fires_list` ON `trigger_fires` (`trigger_id`,`at`,`id`);

CREATE UNIQUE INDEX `trigger_fires_moment` ON `trigger_fires` (`trigger_id`,`scheduled_for`);

CREATE INDEX `trigger_fires_queued` ON `trigger_fires` (`queued_at`) WHERE "trigger_fires"."queued_at" is not null;

CREATE INDEX `trigger_fires_runs` ON `trigger_fires` (`trigger_id`,`at`) WHERE "trigger_fires"."run_id" is not null;

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

CREATE INDEX `triggers_due` ON `triggers` (`due_at`) WHERE "triggers"."due_at" is not null;

CREATE INDEX `triggers_event` ON `triggers` (`project_id`,`event_type`) WHERE "triggers"."event_type" is not null;

CREATE INDEX `triggers_workflow` ON `triggers` (`workflow_id`,`created_at`);

CREATE TABLE `users` (
	`id` text PRIMARY KEY NOT NULL,
	`email` text NOT NULL,
	`name` text NOT NULL,
	`password_hash` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`disabled_at` integer
);

CREATE UNIQUE INDEX `users_email_unique` ON `users` (`email`);

CREATE TABLE `vault_keys` (
	`tenant_id` text PRIMARY KEY NOT NULL,
	`wrapped_key` blob NOT NULL,
	`master_fingerprint` text NOT NULL,
	`created_at` integer NOT NULL
);

CREATE TABLE `vault_secrets` (
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`sealed` blob NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `name`)
);

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

CREATE UNIQUE INDEX `webhook_deliveries_key` ON `webhook_deliveries` (`subscription_id`,`dedupe_key`) WHERE "webhook_deliveries"."dedupe_key" is not null;

CREATE INDEX `webhook_deliveries_list` ON `webhook_deliveries` (`subscription_id`,`received_at`,`id`);

CREATE INDEX `webhook_deliveries_parked` ON `webhook_deliveries` (`subscription_id`,`status`,`received_at`) WHERE "webhook_deliveries"."reason_code" is not null;

CREATE INDEX `webhook_deliveries_retry` ON `webhook_deliveries` (`retry_at`) WHERE "webhook_deliveries"."retry_at" is not null;

CREATE TABLE `workflow_versions` (
	`workflow_id` text NOT NULL,
	`version` integer NOT NULL,
	`graph` text NOT NULL,
	`input_schema` text,
	`run_setup` text,
	`changelog` text NOT NULL,
	`published_at` integer NOT NULL,
	`published_by` text NOT NULL, `tools` text,
	PRIMARY KEY(`workflow_id`, `version`),
	FOREIGN KEY (`workflow_id`) REFERENCES `workflows`(`id`) ON UPDATE no action ON DELETE no action
);

CREATE TABLE `workflows` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`status` text NOT NULL,
	`graph` text NOT NULL,
	`run_setup` text,
	`input_schema` text,
	`latest_version` integer,
	`created_by` text NOT NULL,
	`updated_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`archived_at` integer,
	`archived_by` text
, `recording` integer);

CREATE INDEX `workflows_project` ON `workflows` (`tenant_id`,`project_id`,`updated_at`);
