import { describe, expect, it } from 'vitest'
import { countsLine, explainSkip, skippedLine } from './support/reporter.ts'

describe('the test reporter', () => {
  it('takes the reason of a skipped test from brackets or after a dash', () => {
    expect(explainSkip('kcat > prints it [no kcat here]')).toEqual({
      name: 'kcat > prints it',
      reason: 'no kcat here',
    })
    expect(explainSkip('kcat > prints it [skipped: no kcat]').reason).toBe('no kcat')
    expect(explainSkip('kcat > prints the log-end offset — no kcat')).toEqual({
      name: 'kcat > prints the log-end offset',
      reason: 'no kcat',
    })
  })

  it('takes the reason from the suite when the test gives none', () => {
    expect(explainSkip('addon [skipped where it does not load] > maps a file')).toEqual({
      name: 'addon > maps a file',
      reason: 'where it does not load',
    })
  })

  it('prefers the note given at run time, and says so when there is no reason at all', () => {
    expect(explainSkip('a > b [c]', 'd')).toEqual({ name: 'a > b [c]', reason: 'd' })
    expect(explainSkip('a > b').reason).toBe('no reason given')
  })

  it('prints the lines that people and CI look for', () => {
    expect(skippedLine({ name: 'a > b', reason: 'c' })).toBe('skipped: a > b [c]')
    expect(countsLine(1, 2, 3)).toBe('1 passed, 2 failed, 3 skipped')
  })
})
