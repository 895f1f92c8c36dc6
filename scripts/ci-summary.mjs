/**
 * Adds up the steps of .ci/run:
 *
 *     node scripts/ci-summary.mjs <steps.tsv>
 *
 * Each line of the file is `name, kind, status, seconds, reason`, tab-separated. Beside it lie the
 * JSON reports that test/support/reporter.ts wrote, one per step of kind `tests`. Prints a line per
 * step, what failed, what was skipped and why, and last the counts; exits 1 when anything failed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const [stepsPath] = process.argv.slice(2)
if (stepsPath === undefined) {
  console.error('usage: node scripts/ci-summary.mjs <steps.tsv>')
  process.exit(2)
}

const total = { passed: 0, failed: 0 }
const failures = []
const skipped = []

console.log('\n=== summary')
for (const line of readFileSync(stepsPath, 'utf8').split('\n')) {
  if (line === '') continue
  const [name, kind, status, seconds, reason] = line.split('\t')
  if (status === 'skipped') skipped.push(`${name} [${reason}]`)
  else {
    const counts = countStep(name, kind, status, reason)
    console.log(`${status.padEnd(7)} ${name.padEnd(16)} ${seconds.padStart(4)} s  ${counts}`)
  }
}
for (const failure of failures) console.log(`failed: ${failure}`)
for (const skip of skipped) console.log(`skipped: ${skip}`)
console.log(`${total.passed} passed, ${total.failed} failed, ${skipped.length} skipped`)
process.exit(total.failed === 0 ? 0 : 1)

/** Adds one step to the totals and says what it contributed. */
function countStep(name, kind, status, reason) {
  const reportPath = join(dirname(stepsPath), `${name}.json`)
  if (kind !== 'tests' || !existsSync(reportPath)) {
    total[status]++
    if (status === 'failed') failures.push(`${name}: ${reason}`)
    return reason
  }
  const report = JSON.parse(readFileSync(reportPath, 'utf8'))
  total.passed += report.passed
  total.failed += report.failed
  failures.push(...report.failures.map((failure) => `${name}: ${failure}`))
  skipped.push(...report.skipped.map((test) => `${name}: ${test.name} [${test.reason}]`))
  // A run whose tests all pass can still fail, for instance when a worker dies at its end.
  if (status === 'failed' && report.failed === 0) {
    total.failed++
    failures.push(`${name}: ${reason}`)
  }
  return `${report.passed} passed, ${report.failed} failed, ${report.skipped.length} skipped`
}
