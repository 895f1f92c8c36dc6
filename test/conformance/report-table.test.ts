// Goal: the table says what was run, and never calls a suite passed that was not.
import { expect, it } from 'vitest'
import {
  countsLine,
  isAsExpected,
  reportTable,
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
  seconds: 61.4,
  remarks: ['one', 'two'],
}
const absent: SuiteReport = {
  ...good,
  suite: 'franz-go',
  notRun: 'no go',
  results: [],
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
