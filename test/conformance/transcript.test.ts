// Covers conformance/kafka-tools/transcript.ts.
// Goal: what differs between two runs of one server is not compared, and everything else is.
import { describe, expect, it } from 'vitest'
import { type Step, step } from '../../conformance/kafka-tools/step.ts'
import {
  firstDifference,
  formatTranscript,
  parseTranscript,
  sectionBody,
  withReasons,
} from '../../conformance/kafka-tools/transcript.ts'
import type { StepResult } from '../../conformance/support/java-session.ts'

const varying = { address: '127.0.0.1:4711', files: '/tmp/files' }

function body(result: Partial<StepResult>, details: Partial<Step> = {}): string {
  const whole = { name: 's', code: 0, ms: 1, stdout: '', stderr: '', ...result }
  return sectionBody({ ...step('s', 'topics', ''), ...details }, whole, varying)
}

describe('the section of a step', () => {
  it('replaces addresses, ids, times and the width of columns', () => {
    const stdout = [
      'Topic: t\tTopicId: Lskp9cmVQ1mHF9pI2qyoeg\tPartitionCount: 1',
      'readers   t    0  console-consumer-0b4e7f0a-1111-4222-8333-444455556666   /127.0.0.1',
      'CreateTime:1700000000000 x',
      '127.0.0.1:4711 (id: 1) has /tmp/files/a at 4711',
    ].join('\n')
    expect(body({ stdout }).split('\n')).toEqual([
      'exit 0',
      'Topic: t TopicId: ID PartitionCount: 1',
      'readers t 0 console-consumer-UUID /127.0.0.1',
      'CreateTime:MS x',
      'BROKER (id: 1) has FILES/a at PORT',
    ])
  })

  it('keeps offsets, names, values and the exit code', () => {
    const one = body({ stdout: 'orders:0:12' })
    expect(body({ stdout: 'orders:0:13' })).not.toBe(one)
    expect(body({ stdout: 'orders:1:12' })).not.toBe(one)
    expect(body({ stdout: 'orders:0:12', code: 1 })).not.toBe(one)
  })

  it('has the errors of a step that failed, without the places in the code and the usage', () => {
    const stderr =
      'No such thing\n\tat a.B.c(B.java:1)\n\t... 3 more\nOption   Description\n--x  y\n'
    expect(body({ stderr })).toBe('exit 0')
    expect(body({ stderr, code: 1 })).toBe('exit 1\n! No such thing')
  })

  it('sorts, filters and drops the wording where the step says so', () => {
    expect(body({ stdout: 'b\na' }, { isUnordered: true })).toBe('exit 0\na\nb')
    expect(body({ stdout: 'b\na' }, { lines: /a/ })).toBe('exit 0\na')
    const stdout = 'Error: x.FooException: our words'
    expect(body({ stdout }, { isInOwnWords: true })).toBe('exit 0\nError: x.FooException: …')
    expect(body({ stdout })).toContain('our words')
    const nested = 'java.util.ExecutionException: x.BarException: words: of ours'
    const innermost = 'exit 0\njava.util.ExecutionException: x.BarException: …'
    expect(body({ stdout: nested }, { isInOwnWords: true })).toBe(innermost)
    const refused = 'Error while executing topic command : words'
    expect(body({ stdout: refused }, { isInOwnWords: true })).toContain('command : …')
  })
})

describe('a transcript', () => {
  const sections = new Map([
    ['one', { body: 'exit 0\na' }],
    ['two', { body: 'exit 1\n! b', reason: 'because' }],
  ])

  it('is the same when it is read back', () => {
    expect(parseTranscript(formatTranscript(sections))).toEqual(sections)
  })

  it('is refused when two sections have one name', () => {
    expect(() => parseTranscript('=== a\nexit 0\n\n=== a\nexit 0\n')).toThrow('two sections "a"')
  })

  it('takes reasons over from the one before', () => {
    const next = new Map([['two', { body: 'exit 2' }]])
    expect(withReasons(next, sections).get('two')).toEqual({ body: 'exit 2', reason: 'because' })
  })
})

it('names the first line that differs', () => {
  expect(firstDifference('a\nb', 'a\nc')).toBe('line 2 is "c", expected "b"')
  expect(firstDifference('a\nb', 'a')).toBe('line 2 is nothing, expected "b"')
  expect(firstDifference('a', 'a\nb')).toBe('line 2 is "b", expected nothing')
})
