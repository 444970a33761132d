// Sums vitest's JSON reports and prints "N passed, N failed[, N skipped]" on a line alone.
// Failed tests are named before it, with what they say: whoever reads only the end of the log is to know which they were.
// A missing report, a test file that could not be loaded, or a run that failed otherwise counts as one failure.
import { readFileSync } from "node:fs"

let passed = 0
let failed = 0
let skipped = 0
for (const path of process.argv.slice(2)) {
  let report
  try {
    report = JSON.parse(readFileSync(path, "utf8"))
  } catch {
    console.error(`${path}: no test report`)
    failed += 1
    continue
  }
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")
  )
  for (const file of broken) console.error(`${file.name}: ${file.message}`)
  for (const file of report.testResults) {
    for (const test of file.assertionResults.filter(({ status }) => status === "failed")) {
      console.error(
        `FAILED: ${file.name} > ${test.fullName}\n${test.failureMessages.join("\n").slice(0, 1500)}`
      )
    }
  }
  const failures = report.numFailedTests + broken.length
  passed += report.numPassedTests
  failed += failures > 0 || report.success ? failures : 1
  skipped += report.numPendingTests + report.numTodoTests
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
process.exitCode = failed > 0 ? 1 : 0
