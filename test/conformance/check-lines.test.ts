// Goal: the lines of a checking program become results, and one that broke off is never taken for
// one that has passed.

import { describe, expect, it } from 'vitest'
import { parseCheckLines } from '../../conformance/support/check-lines.ts'

const ended = { code: 0, signal: null, isTimedOut: false, stderr: '', seconds: 1 }

describe('lines of checks', () => {
  it('become results', () => {
    const stdout =
      '{"name":"a","outcome":"passed","seconds":1}\n{"name":"b","outcome":"failed","detail":"x"}\n'
    expect(parseCheckLines({ ...ended, stdout })).toEqual([
      { name: 'a', outcome: 'passed' },
      { name: 'b', outcome: 'failed', detail: 'x' },
    ])
  })

  it('are refused from a program that ended early', () => {
    const stdout = '{"name":"a","outcome":"passed"}\n'
    expect(() => parseCheckLines({ ...ended, stdout, code: 1, stderr: 'no route\n' })).toThrow(
      'ended early after 1 checks: no route',
    )
    expect(() => parseCheckLines({ ...ended, stdout, code: null, isTimedOut: true })).toThrow(
      'out of time',
    )
  })

  it('are refused when they are something else', () => {
    expect(() => parseCheckLines({ ...ended, stdout: 'hello\n' })).toThrow()
    expect(() => parseCheckLines({ ...ended, stdout: '{"name":"a"}\n' })).toThrow('no result')
  })
})
