CREATE TABLE "mcp_servers" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"service" text NOT NULL,
	"description" text NOT NULL,
	"canonical_url" text NOT NULL,
	"mode" text NOT NULL,
	"auth_mode" text NOT NULL,
	"status" text NOT NULL,
	"status_reason" text,
	"bridge" json,
	"active_version_id" text,
	"last_validation" json,
	"last_validated_at" bigint,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mcp_server_versions" (
	"id" text PRIMARY KEY NOT NULL,
	"server_id" text NOT NULL,
	"tenant_id" text NOT NULL,
	"version" text NOT NULL,
	"tools" json NOT NULL,
	"config_schema" json NOT NULL,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "connections" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"display_name" text NOT NULL,
	"provider" text NOT NULL,
	"service" text NOT NULL,
	"status" text NOT NULL,
	"status_reason" text,
	"account" text,
	"metadata" json NOT NULL,
	"expires_at" bigint,
	"created_by" text NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "connection_credentials" (
	"connection_id" text NOT NULL,
	"key" text NOT NULL,
	"last4" text NOT NULL,
	"updated_at" bigint NOT NULL,
	CONSTRAINT "connection_credentials_connection_id_key_pk" PRIMARY KEY("connection_id","key")
);
--> statement-breakpoint
CREATE TABLE "oauth_states" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"user_id" text NOT NULL,
	"flow" text NOT NULL,
	"connection_id" text,
	"request" json NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint
);
--> statement-breakpoint
CREATE TABLE "connection_overrides" (
	"workflow_id" text NOT NULL,
	"instance_id" text NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"connection_id" text NOT NULL,
	CONSTRAINT "connection_overrides_workflow_id_instance_id_pk" PRIMARY KEY("workflow_id","instance_id")
);
--> statement-breakpoint
CREATE TABLE "egress_attempts" (
	"id" text PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"tenant_id" text,
	"project_id" text,
	"user_id" text,
	"run_id" text,
	"step_id" text,
	"what" text NOT NULL,
	"protocol" text NOT NULL,
	"host" text NOT NULL,
	"port" bigint NOT NULL,
	"allowed" boolean NOT NULL,
	"reason" text
);
--> statement-breakpoint
CREATE TABLE "artifacts" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"run_id" text,
	"step_id" text,
	"name" text,
	"mime_type" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "projects" ADD COLUMN "tool_drift" text;--> statement-breakpoint
ALTER TABLE "workflow_versions" ADD COLUMN "tools" json;--> statement-breakpoint
ALTER TABLE "mcp_server_versions" ADD CONSTRAINT "mcp_server_versions_server_id_mcp_servers_id_fk" FOREIGN KEY ("server_id") REFERENCES "public"."mcp_servers"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "connection_credentials" ADD CONSTRAINT "connection_credentials_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "mcp_servers_url" ON "mcp_servers" USING btree ("tenant_id","canonical_url");--> statement-breakpoint
CREATE INDEX "mcp_servers_tenant" ON "mcp_servers" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "mcp_server_versions_name" ON "mcp_server_versions" USING btree ("server_id","version");--> statement-breakpoint
CREATE INDEX "connections_tenant" ON "connections" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "connections_expiry" ON "connections" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "oauth_states_expiry" ON "oauth_states" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "connection_overrides_connection" ON "connection_overrides" USING btree ("tenant_id","connection_id");--> statement-breakpoint
CREATE INDEX "egress_attempts_at" ON "egress_attempts" USING btree ("at");--> statement-breakpoint
CREATE INDEX "egress_attempts_tenant" ON "egress_attempts" USING btree ("tenant_id","at");--> statement-breakpoint
CREATE INDEX "artifacts_project" ON "artifacts" USING btree ("tenant_id","project_id","created_at");--> statement-breakpoint
CREATE INDEX "artifacts_run" ON "artifacts" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "artifacts_content" ON "artifacts" USING btree ("sha256");