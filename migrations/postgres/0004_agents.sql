CREATE TABLE "llm_provider_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"vendor" text NOT NULL,
	"label" text NOT NULL,
	"base_url" text,
	"options" json NOT NULL,
	"last4" text,
	"last_test" json,
	"models" json,
	"revealed_by" text,
	"revealed_at" bigint,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "llm_prices" (
	"tenant_id" text NOT NULL,
	"model" text NOT NULL,
	"price" json NOT NULL,
	"updated_at" bigint NOT NULL,
	CONSTRAINT "llm_prices_tenant_id_model_pk" PRIMARY KEY("tenant_id","model")
);
--> statement-breakpoint
CREATE TABLE "agents" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"instructions" text NOT NULL,
	"model_ref" text NOT NULL,
	"definition" json NOT NULL,
	"status" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_recordings" (
	"run_id" text NOT NULL,
	"seq" bigint NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"step_id" text NOT NULL,
	"item" bigint,
	"round" bigint NOT NULL,
	"attempt" bigint NOT NULL,
	"kind" text NOT NULL,
	"request_hash" text NOT NULL,
	"request" json NOT NULL,
	"response" json NOT NULL,
	"created_at" bigint NOT NULL,
	CONSTRAINT "run_recordings_run_id_seq_pk" PRIMARY KEY("run_id","seq")
);
--> statement-breakpoint
ALTER TABLE "workflows" ADD COLUMN "recording" boolean;--> statement-breakpoint
CREATE UNIQUE INDEX "llm_provider_keys_label" ON "llm_provider_keys" USING btree ("tenant_id","vendor","label");--> statement-breakpoint
CREATE INDEX "agents_project" ON "agents" USING btree ("tenant_id","project_id","created_at");--> statement-breakpoint
CREATE INDEX "run_recordings_created" ON "run_recordings" USING btree ("created_at");