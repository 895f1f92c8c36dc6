// Goal: a conformance run cannot call itself good when something changed, in either direction.
// Method: results and expectations made here, compared; a file of expectations for each way to be wrong.
import { describe, expect, it } from 'vitest'
import {
  compareWithExpectations,
  ExpectationsError,
  parseExpectations,
} from '../../conformance/support/expectations.ts'
import type { Outcome, TestResult } from '../../conformance/support/suite.ts'

const reason = 'transactions are not supported yet'

describe('expectations of a suite', () => {
  it('find nothing where everything passed or ended as expected', () => {
    const expectations = entries({
      b: { outcome: 'failed', reason },
      c: { outcome: 'skipped', reason },
    })
    const results = tests({ a: 'passed', b: 'failed', c: 'skipped' })
    expect(compare(results, expectations)).toEqual({
      surprises: [],
      stale: [],
      known: [
        { name: 'b', reason },
        { name: 'c', reason },
      ],
    })
  })

  it('name every test that did not pass and has no entry', () => {
    const results = tests({ a: 'passed', b: 'failed', c: 'skipped' })
    expect(compare(results, entries({})).surprises).toEqual([
      'b: failed: because of b',
      'c: skipped: because of c',
    ])
  })

  it('name a test that ended otherwise than its entry says', () => {
    const expectations = entries({
      a: { outcome: 'failed', reason },
      b: { outcome: 'skipped', reason },
    })
    const results = tests({ a: 'skipped', b: 'failed' })
    expect(compare(results, expectations).surprises).toHaveLength(2)
  })

  it('call an entry stale whose test passed', () => {
    const expectations = entries({ a: { outcome: 'failed', reason } })
    const { surprises, stale } = compare(tests({ a: 'passed' }), expectations)
    expect(surprises).toEqual([])
    expect(stale).toEqual(['a: a passed, take the entry out'])
  })

  it('call an entry stale that no test has, where all tests were asked for', () => {
    const expectations = entries({ gone: { outcome: 'failed', reason } })
    const results = tests({ a: 'passed' })
    expect(compare(results, expectations).stale).toEqual(['gone: there is no such test'])
    const part = compareWithExpectations(results, expectations, { isComplete: false })
    expect(part.stale).toEqual([])
  })

  it('take a name with a star for all tests that begin so, each of which must agree', () => {
    const expectations = entries({ 'txn/*': { outcome: 'failed', reason } })
    const agreeing = tests({ 'txn/a': 'failed', 'txn/b': 'failed', other: 'passed' })
    expect(compare(agreeing, expectations)).toMatchObject({ surprises: [], stale: [] })
    const differing = tests({ 'txn/a': 'failed', 'txn/b': 'passed' })
    expect(compare(differing, expectations).stale).toEqual([
      'txn/*: txn/b passed, take the entry out',
    ])
  })

  it('prefer the exact name, then the longest pattern', () => {
    const expectations = entries({
      'a*': { outcome: 'failed', reason },
      'ab*': { outcome: 'skipped', reason },
      abc: { outcome: 'failed', reason },
    })
    const results = tests({ a: 'failed', abb: 'skipped', abc: 'failed' })
    expect(compare(results, expectations)).toMatchObject({ surprises: [], stale: [] })
  })

  it('see two tests of one name', () => {
    const results = [...tests({ a: 'passed' }), ...tests({ a: 'passed' })]
    expect(compare(results, entries({})).surprises).toEqual(['a: two tests of this name'])
  })
})

describe('a file of expectations', () => {
  it.each([
    ['', 'not JSON'],
    ['[]', 'not an object'],
    ['{ "a": "failed" }', 'a: not an object'],
    ['{ "a": { "outcome": "passed", "reason": "one node has no second replica" } }', 'outcome'],
    ['{ "a": { "outcome": "failed" } }', 'is no reason'],
    ['{ "a": { "outcome": "failed", "reason": "transactions" } }', 'is no reason'],
    ['{ "a": { "outcome": "failed", "reason": "fails on this server" } }', 'is no reason'],
    ['{ "a": { "outcome": "failed", "reason": "it is flaky on slow machines" } }', 'is no reason'],
    ['{ "a": { "outcome": "failed", "reason": "#12", "since": 3 } }', 'unknown field since'],
  ])('is refused: %s', (text, message) => {
    expect(() => parseExpectations(text)).toThrow(ExpectationsError)
    expect(() => parseExpectations(text)).toThrow(message)
  })

  it('takes a reason in words, or an issue', () => {
    const text = `{
      "a": { "outcome": "failed", "reason": "one node has no second replica" },
      "b": { "outcome": "skipped", "reason": "#12" }
    }`
    expect([...parseExpectations(text).keys()]).toEqual(['a', 'b'])
  })
})

function compare(results: TestResult[], expectations: ReturnType<typeof entries>) {
  return compareWithExpectations(results, expectations, { isComplete: true })
}

function entries(expectations: Record<string, { outcome: Outcome; reason: string }>) {
  return parseExpectations(JSON.stringify(expectations))
}

function tests(outcomes: Record<string, Outcome>): TestResult[] {
  return Object.entries(outcomes).map(([name, outcome]) => {
    return outcome === 'passed'
      ? { name, outcome }
      : { name, outcome, detail: `because of ${name}` }
  })
}
