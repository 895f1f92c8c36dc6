/**
 * The results of a program of ours in another language: one line of JSON per check,
 * `{"name", "outcome": "passed" | "failed", "detail"}`.
 */
import type { ChildResult } from '../../peers/child.ts'
import type { Outcome, TestResult } from './suite.ts'

const outcomes = new Set<unknown>(['passed', 'failed', 'skipped'])

/** @throws Error when the program did not come to its end, or said something else. */
export function parseCheckLines({ code, isTimedOut, stdout, stderr }: ChildResult): TestResult[] {
  const results = stdout.split('\n').filter(Boolean).map(parseLine)
  if (isTimedOut || code !== 0) {
    const why = isTimedOut ? 'out of time' : stderr.trim().split('\n').slice(-5).join('\n')
    throw new Error(`ended early after ${results.length} checks: ${why}`)
  }
  return results
}

function parseLine(line: string): TestResult {
  const { name, outcome, detail } = JSON.parse(line) as Record<string, unknown>
  if (typeof name !== 'string' || !outcomes.has(outcome)) throw new Error(`no result: ${line}`)
  const result = { name, outcome: outcome as Outcome }
  return typeof detail === 'string' ? { ...result, detail } : result
}
