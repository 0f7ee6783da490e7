CREATE TABLE "run_values" (
	"run_id" text NOT NULL,
	"hash" text NOT NULL,
	"value" text NOT NULL,
	CONSTRAINT "run_values_run_id_hash_pk" PRIMARY KEY("run_id","hash")
);
--> statement-breakpoint
CREATE TABLE "run_snapshots" (
	"run_id" text PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"format" bigint NOT NULL,
	"state" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "run_counts" (
	"tenant_id" text NOT NULL,
	"project_id" text NOT NULL,
	"workflow_id" text NOT NULL,
	"status" text NOT NULL,
	"day" bigint NOT NULL,
	"n" bigint NOT NULL,
	CONSTRAINT "run_counts_tenant_id_project_id_workflow_id_status_day_pk" PRIMARY KEY("tenant_id","project_id","workflow_id","status","day")
);
--> statement-breakpoint
CREATE TABLE "boots" (
	"id" text PRIMARY KEY NOT NULL,
	"started_at" bigint NOT NULL,
	"lease_until" bigint NOT NULL
);
--> statement-breakpoint
DROP INDEX "runs_feed";--> statement-breakpoint
DROP INDEX "runs_workflow";--> statement-breakpoint
DROP INDEX "runs_live";--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "input_hash" text;--> statement-breakpoint
ALTER TABLE "run_events" ADD COLUMN "beside" json;--> statement-breakpoint
CREATE INDEX "runs_status" ON "runs" USING btree ("tenant_id","project_id","status","started_at","id");--> statement-breakpoint
CREATE INDEX "runs_workflow_status" ON "runs" USING btree ("workflow_id","status","started_at","id");--> statement-breakpoint
INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
	SELECT tenant_id, project_id, workflow_id, status, started_at / 86400000, count(*) FROM runs GROUP BY 1, 2, 3, 4, 5;--> statement-breakpoint
INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
	SELECT tenant_id, project_id, '', status, day, sum(n) FROM run_counts GROUP BY tenant_id, project_id, status, day;
