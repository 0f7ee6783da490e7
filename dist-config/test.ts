// `npm test [-- words… [bun test options…]]`: everything, or the test files whose path contains one of the words.
import { runSuites, testRequest } from "./suites.ts"

process.exitCode = await runSuites(testRequest(process.argv.slice(2), false))
