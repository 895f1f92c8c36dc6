/**
 * The reporter of every test run: vitest's own output, then each skipped test with its reason,
 * then the counts alone on the last line, where people and CI look for them:
 *
 *     skipped: kcat > prints what it produced [no kcat on this machine]
 *     312 passed, 0 failed, 1 skipped
 *
 * A test says why it is skipped in its name, in square brackets or after a dash, or by
 * `context.skip('why')`. A test file that fails to load and an unhandled error count as failed.
 *
 * With STRATALOG_TEST_REPORT set to a path the same goes there as JSON, for .ci/run to add up.
 */
import { writeFileSync } from 'node:fs'
import type { SerializedError, TestCase, TestModule, TestRunEndReason } from 'vitest/node'
import { DefaultReporter } from 'vitest/node'

export type RunSummary = {
  passed: number
  failed: number
  skipped: SkippedTest[]
  failures: string[]
}

export type SkippedTest = { name: string; reason: string }

export class SummaryReporter extends DefaultReporter {
  override onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    super.onTestRunEnd(modules, errors, reason)
    const summary = summarize(modules, errors)
    const reportPath = process.env['STRATALOG_TEST_REPORT']
    if (reportPath !== undefined && reportPath !== '') {
      writeFileSync(reportPath, `${JSON.stringify(summary, undefined, 2)}\n`)
    }
    for (const test of summary.skipped) this.log(skippedLine(test))
    this.log(countsLine(summary.passed, summary.failed, summary.skipped.length))
  }
}

function summarize(modules: readonly TestModule[], errors: readonly SerializedError[]): RunSummary {
  const summary: RunSummary = { passed: 0, failed: errors.length, skipped: [], failures: [] }
  for (const error of errors) summary.failures.push(`unhandled: ${error.message}`)
  for (const module of modules) {
    for (const error of module.errors()) {
      summary.failed++
      summary.failures.push(`${module.relativeModuleId}: ${error.message}`)
    }
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) {
        summary.failed++
        summary.failures.push(`${suite.fullName}: ${error.message}`)
      }
    }
    for (const test of module.children.allTests()) count(test, summary)
  }
  return summary
}

function count(test: TestCase, summary: RunSummary): void {
  const result = test.result()
  if (result.state === 'passed') summary.passed++
  else if (result.state === 'skipped') {
    const note = 'note' in result ? result.note : undefined
    summary.skipped.push(explainSkip(test.fullName, note))
  } else {
    // A test still pending when the run ended did not pass: it counts as failed.
    summary.failed++
    summary.failures.push(test.fullName)
  }
}

/**
 * Splits the reason from the name: `[…]` at the end, or what follows the last dash, of the test or
 * of the suite nearest to it that gives one.
 */
export function explainSkip(fullName: string, note?: string): SkippedTest {
  if (note !== undefined && note !== '') return { name: fullName, reason: note }
  const parts = fullName.split(' > ')
  for (let at = parts.length - 1; at >= 0; at--) {
    const part = parts[at] as string
    const found =
      /^(.*\S)\s*\[(?:skipped:?\s*)?([^\]]+)\]$/.exec(part) ??
      /^(.*\S)\s+[—–-]\s+(\S.*)$/.exec(part)
    if (found === null) continue
    parts[at] = found[1] as string
    return { name: parts.join(' > '), reason: found[2] as string }
  }
  return { name: fullName, reason: 'no reason given' }
}

export function skippedLine(test: SkippedTest): string {
  return `skipped: ${test.name} [${test.reason}]`
}

export function countsLine(passed: number, failed: number, skipped: number): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}
