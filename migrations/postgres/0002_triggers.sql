CREATE TABLE "inbound_subscriptions" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"workflow_id" text NOT NULL,
	"name" text NOT NULL,
	"enabled" boolean NOT NULL,
	"automation_pat_id" text NOT NULL,
	"extras" json NOT NULL,
	"callback_url" text,
	"rate_per_minute" bigint,
	"previous_secret_until" bigint,
	"refused" bigint NOT NULL,
	"last_refused_at" bigint,
	"last_refusal" text,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" text PRIMARY KEY NOT NULL,
	"subscription_id" text NOT NULL,
	"received_at" bigint NOT NULL,
	"scheme" text NOT NULL,
	"signed_with" text NOT NULL,
	"idempotency_key" text,
	"dedupe_key" text,
	"body_hash" text NOT NULL,
	"headers" json NOT NULL,
	"body" "bytea" NOT NULL,
	"status" text NOT NULL,
	"reason_code" text,
	"reason" text,
	"run_id" text NOT NULL,
	"retry_at" bigint,
	"redelivery_of" text,
	"redelivered_by" text
);
--> statement-breakpoint
CREATE TABLE "triggers" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"workflow_id" text NOT NULL,
	"type" text NOT NULL,
	"name" text NOT NULL,
	"enabled" boolean NOT NULL,
	"config" json NOT NULL,
	"user_id" text NOT NULL,
	"scopes" json,
	"callback_url" text,
	"note" text,
	"next_run_at" bigint,
	"due_at" bigint,
	"last_fired_at" bigint,
	"fire_count" bigint NOT NULL,
	"event_type" text,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "trigger_fires" (
	"id" text PRIMARY KEY NOT NULL,
	"trigger_id" text NOT NULL,
	"source" text NOT NULL,
	"scheduled_for" bigint,
	"outcome" text NOT NULL,
	"reason" text,
	"run_id" text,
	"at" bigint NOT NULL,
	"queued_at" bigint
);
--> statement-breakpoint
CREATE TABLE "platform_events" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"type" text NOT NULL,
	"data" json NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "alerts" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"kind" text NOT NULL,
	"subject_id" text NOT NULL,
	"message" text NOT NULL,
	"raised_at" bigint NOT NULL,
	"cleared_at" bigint,
	"standing" text,
	CONSTRAINT "alerts_standing_unique" UNIQUE("standing")
);
--> statement-breakpoint
CREATE TABLE "leaders" (
	"name" text PRIMARY KEY NOT NULL,
	"boot_id" text NOT NULL,
	"lease_until" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_callbacks" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"workflow_id" text NOT NULL,
	"run_id" text NOT NULL,
	"url" text NOT NULL,
	"status" text NOT NULL,
	"created_at" bigint NOT NULL,
	"next_attempt_at" bigint,
	"attempts" json NOT NULL,
	"ended_at" bigint
);
--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "callback_url" text;--> statement-breakpoint
CREATE INDEX "inbound_subscriptions_project" ON "inbound_subscriptions" USING btree ("tenant_id","project_id","created_at");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_list" ON "webhook_deliveries" USING btree ("subscription_id","received_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_deliveries_key" ON "webhook_deliveries" USING btree ("subscription_id","dedupe_key") WHERE "webhook_deliveries"."dedupe_key" is not null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_parked" ON "webhook_deliveries" USING btree ("subscription_id","status","received_at") WHERE "webhook_deliveries"."reason_code" is not null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_retry" ON "webhook_deliveries" USING btree ("retry_at") WHERE "webhook_deliveries"."retry_at" is not null;--> statement-breakpoint
CREATE INDEX "triggers_workflow" ON "triggers" USING btree ("workflow_id","created_at");--> statement-breakpoint
CREATE INDEX "triggers_due" ON "triggers" USING btree ("due_at") WHERE "triggers"."due_at" is not null;--> statement-breakpoint
CREATE INDEX "triggers_event" ON "triggers" USING btree ("project_id","event_type") WHERE "triggers"."event_type" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "trigger_fires_moment" ON "trigger_fires" USING btree ("trigger_id","scheduled_for");--> statement-breakpoint
CREATE INDEX "trigger_fires_list" ON "trigger_fires" USING btree ("trigger_id","at","id");--> statement-breakpoint
CREATE INDEX "trigger_fires_runs" ON "trigger_fires" USING btree ("trigger_id","at") WHERE "trigger_fires"."run_id" is not null;--> statement-breakpoint
CREATE INDEX "trigger_fires_queued" ON "trigger_fires" USING btree ("queued_at") WHERE "trigger_fires"."queued_at" is not null;--> statement-breakpoint
CREATE INDEX "trigger_fires_age" ON "trigger_fires" USING btree ("at");--> statement-breakpoint
CREATE INDEX "alerts_project" ON "alerts" USING btree ("tenant_id","project_id","raised_at");--> statement-breakpoint
CREATE INDEX "run_callbacks_run" ON "run_callbacks" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "run_callbacks_due" ON "run_callbacks" USING btree ("next_attempt_at") WHERE "run_callbacks"."next_attempt_at" is not null;--> statement-breakpoint
CREATE INDEX "run_callbacks_age" ON "run_callbacks" USING btree ("created_at");