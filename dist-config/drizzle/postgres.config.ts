import { defineConfig } from "drizzle-kit"

export default defineConfig({
  dialect: "postgresql",
  schema: "./dist-config/drizzle/postgres.schema.ts",
  out: "./migrations/postgres",
})
