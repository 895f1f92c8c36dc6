import { describe, expect, it } from 'vitest'
import { BatchTooLargeError } from '../../src/base/errors.ts'
import { errorCodeOf } from '../../src/broker/error-mapping.ts'

describe('error codes', () => {
  it('tell which limit a batch exceeds', () => {
    const tooLarge = (limit: 'message' | 'segment' | 'decompressed') =>
      errorCodeOf(new BatchTooLargeError({ sizeBytes: 2, limitBytes: 1, limit }))
    expect([tooLarge('message'), tooLarge('segment'), tooLarge('decompressed')]).toEqual([
      10, 18, 10,
    ])
  })

  it('are for operating errors alone: a bug is thrown on', () => {
    const bug = new TypeError('a bug')
    expect(() => errorCodeOf(bug)).toThrow(bug)
  })
})
