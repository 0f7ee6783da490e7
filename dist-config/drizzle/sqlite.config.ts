import { defineConfig } from "drizzle-kit"

export default defineConfig({ dialect: "sqlite", schema: "./dist-config/drizzle/sqlite.schema.ts", out: "./migrations/sqlite" })
