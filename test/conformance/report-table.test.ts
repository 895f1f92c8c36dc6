// Goal: the table says what was run, and never calls a suite passed that was not.
import { expect, it } from 'vitest'
import {
  countsLine,
  isAsExpected,
  reportTable,
  runSummary,
  type SuiteReport,
} from '../../conformance/support/report-table.ts'

const good: SuiteReport = {
  suite: 'kafka-tools',
  results: [
    { name: 'a', outcome: 'passed' },
    { name: 'b', outcome: 'passed' },
    { name: 'c', outcome: 'failed' },
    { name: 'd', outcome: 'skipped' },
  ],
  unexpected: [],
  known: [
    { name: 'c', reason: 'one node has no second replica' },
    { name: 'd', reason: '#12' },
  ],
  seconds: 61.4,
  remarks: ['one', 'two'],
}
const absent: SuiteReport = {
  ...good,
  suite: 'franz-go',
  notRun: 'no go',
  results: [],
  known: [],
}

it('gives a row for each suite, and the reason in place of counts where it was not run', () => {
  expect(reportTable([good, absent]).split('\n')).toEqual([
    'suite        passed  failed  skipped  unexpected  seconds  remarks',
    'kafka-tools       2       1        1           0       61  one; two',
    'franz-go          -       -        -           -        -  not run: no go',
  ])
})

it('counts outcomes in one line', () => {
  expect(countsLine(good.results)).toBe('2 passed, 1 failed, 1 skipped')
})

it('is as expected until one suite has something unexpected', () => {
  expect(isAsExpected([good, absent])).toBe(true)
  expect(isAsExpected([good, { ...good, unexpected: ['c: failed'] }])).toBe(false)
})

it('sums up for CI, where what is known not to pass is skipped for its reason', () => {
  const bad = { ...good, suite: 'kcat', known: [], unexpected: ['c: failed', 'd: skipped'] }
  expect(runSummary([good, absent, bad])).toEqual({
    passed: 4,
    failed: 2,
    skipped: [
      { name: 'kafka-tools > c', reason: 'one node has no second replica' },
      { name: 'kafka-tools > d', reason: '#12' },
      { name: 'franz-go', reason: 'no go' },
    ],
    failures: ['kcat: c: failed', 'kcat: d: skipped'],
  })
})
