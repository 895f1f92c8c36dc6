// Goal: what `go test -json` says becomes one result per test that has no subtests, and a test that
// did not end is never lost, whatever took the run down.

import { describe, expect, it } from 'vitest'
import { parseGoTest } from '../../conformance/support/go-test.ts'

function events(...lines: readonly [action: string, test?: string, output?: string][]): string {
  return lines
    .map(([Action, Test, Output]) => JSON.stringify({ Action, Package: 'p', Test, Output }))
    .join('\n')
}

describe('results of go test', () => {
  it('takes tests and subtests, and not the parents of subtests', () => {
    const output = events(
      ['start'],
      ['run', 'TestA'],
      ['run', 'TestB'],
      ['run', 'TestB/one'],
      ['pass', 'TestA'],
      ['pass', 'TestB/one'],
      ['pass', 'TestB'],
      ['pass'],
    )
    expect(parseGoTest(output)).toEqual([
      { name: 'TestA', outcome: 'passed' },
      { name: 'TestB/one', outcome: 'passed' },
    ])
  })

  it('tells why a test failed or was skipped, without what go adds', () => {
    const output = events(
      ['run', 'TestA'],
      ['output', 'TestA', '=== RUN   TestA\n'],
      ['output', 'TestA', '    a_test.go:7: wrong\n'],
      ['output', 'TestA', '--- FAIL: TestA (0.00s)\n'],
      ['fail', 'TestA'],
      ['output', 'TestB', '    b_test.go:1: no broker\n'],
      ['skip', 'TestB'],
    )
    expect(parseGoTest(output)).toEqual([
      { name: 'TestA', outcome: 'failed', detail: 'a_test.go:7: wrong' },
      { name: 'TestB', outcome: 'skipped', detail: 'b_test.go:1: no broker' },
    ])
  })

  it('counts a parent only when it failed by itself', () => {
    const byItself = events(['pass', 'TestA/one'], ['output', 'TestA', 'leak\n'], ['fail', 'TestA'])
    expect(parseGoTest(byItself)).toEqual([
      { name: 'TestA/one', outcome: 'passed' },
      { name: 'TestA', outcome: 'failed', detail: 'leak' },
    ])
    const byChild = events(['fail', 'TestA/one'], ['fail', 'TestA'])
    expect(parseGoTest(byChild).map(({ name }) => name)).toEqual(['TestA/one'])
  })

  it('has a test failed that a panic or the time limit took down', () => {
    const output = events(
      ['run', 'TestA'],
      ['run', 'TestB'],
      ['run', 'TestB/one'],
      ['output', 'TestA', 'panic: nil\n'],
      ['fail', 'TestA'],
    )
    expect(parseGoTest(`${output}\nFAIL\tp\t0.1s\n`)).toEqual([
      { name: 'TestA', outcome: 'failed', detail: 'panic: nil' },
      { name: 'TestB/one', outcome: 'failed', detail: 'did not end' },
    ])
  })
})
