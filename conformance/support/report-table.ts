/** The table of a run: a row per suite. */
import type { TestResult } from './suite.ts'

export type SuiteReport = {
  readonly suite: string
  /** Why it was not run; undefined when it was. */
  readonly notRun?: string
  readonly results: readonly TestResult[]
  /** What differs from the expectations, or went wrong beside the tests; none is a good run. */
  readonly unexpected: readonly string[]
  /** Tests that did not pass, as was expected of them. */
  readonly known: readonly { readonly name: string; readonly reason: string }[]
  readonly seconds: number
  readonly remarks: readonly string[]
}

const heading = ['suite', 'passed', 'failed', 'skipped', 'unexpected', 'seconds', 'remarks']
const textColumns = new Set([0, heading.length - 1])

/** A run as .ci/run adds it up: what is known not to pass counts as skipped there, with its reason. */
export type RunSummary = {
  readonly passed: number
  readonly failed: number
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
  readonly failures: readonly string[]
}

export function runSummary(reports: readonly SuiteReport[]): RunSummary {
  const passed = reports.flatMap(({ results }) => results.filter((r) => r.outcome === 'passed'))
  const failures = reports.flatMap(({ suite, unexpected }) =>
    unexpected.map((line) => `${suite}: ${line}`),
  )
  const skipped = reports.flatMap(({ suite, notRun, known }) =>
    notRun === undefined
      ? known.map(({ name, reason }) => ({ name: `${suite} > ${name}`, reason }))
      : [{ name: suite, reason: notRun }],
  )
  return { passed: passed.length, failed: failures.length, skipped, failures }
}

/** `N passed, N failed, N skipped` */
export function countsLine(results: readonly TestResult[]): string {
  const { passed, failed, skipped } = countOutcomes(results)
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

export function reportTable(reports: readonly SuiteReport[]): string {
  const rows = [heading, ...reports.map(row)]
  const widths = heading.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  return rows.map((cells) => line(cells, widths)).join('\n')
}

export function isAsExpected(reports: readonly SuiteReport[]): boolean {
  return reports.every((report) => report.unexpected.length === 0)
}

function row(report: SuiteReport): string[] {
  if (report.notRun !== undefined) {
    return [report.suite, '-', '-', '-', '-', '-', `not run: ${report.notRun}`]
  }
  const { passed, failed, skipped } = countOutcomes(report.results)
  const counts = [passed, failed, skipped, report.unexpected.length].map(String)
  return [report.suite, ...counts, report.seconds.toFixed(0), report.remarks.join('; ')]
}

function line(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) =>
    textColumns.has(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
  )
  return padded.join('  ').trimEnd()
}

function countOutcomes(results: readonly TestResult[]) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const { outcome } of results) counts[outcome]++
  return counts
}
