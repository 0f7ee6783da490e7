// `npm run check`: exactly what CI runs, but it stops at the first suite that fails.
import { runSuites, testRequest } from "./suites.ts"

process.exitCode = await runSuites(testRequest(process.argv.slice(2), true))
