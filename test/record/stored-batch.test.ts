import { describe, expect, it } from 'vitest'
import { checkStoredBatch } from '../../src/record/stored-batch.ts'
import { rawBatch, rawRecord } from '../support/raw-batch.ts'

const records = rawRecord({ offsetDelta: 0, value: 'v' })
const good = { lastOffsetDelta: 0, recordCount: 1, records }

function stateOf(bytes: Buffer): string {
  return checkStoredBatch(bytes, 0, bytes.length)
}

describe('judging a stored batch', () => {
  it('passes whole batches, compacted ones among them', () => {
    expect(stateOf(rawBatch(good))).toBe('ok')
    expect(stateOf(rawBatch({ ...good, lastOffsetDelta: 5 }))).toBe('ok')
    const empty = { lastOffsetDelta: 4, recordCount: 0, records: Buffer.alloc(0) }
    expect(stateOf(rawBatch(empty))).toBe('ok')
  })

  it('finds a batch in the middle of others', () => {
    const bytes = Buffer.concat([rawBatch(good), rawBatch(good), rawBatch(good)])
    const size = bytes.length / 3
    expect(checkStoredBatch(bytes, size, bytes.length)).toBe('ok')
    expect(checkStoredBatch(bytes, size, 2 * size)).toBe('ok')
    expect(checkStoredBatch(bytes, size, 2 * size - 1)).toBe('incomplete')
  })

  it('tells a torn tail, zeros, garbage and other formats apart', () => {
    const batch = rawBatch(good)
    expect(stateOf(batch.subarray(0, 30))).toBe('incomplete')
    expect(stateOf(Buffer.alloc(100))).toBe('impossible-length')
    const changed = (position: number, value: number) => {
      const bytes = Buffer.from(batch)
      bytes[position] = value
      return stateOf(bytes)
    }
    expect(changed(16, 1)).toBe('legacy-magic')
    expect(changed(16, 9)).toBe('unknown-magic')
    expect(changed(batch.length - 1, 0x55)).toBe('crc')
  })

  it.each([
    ['a negative count', { recordCount: -1 }],
    ['more records than offsets', { recordCount: 2 }],
    ['a negative last offset delta', { lastOffsetDelta: -1, recordCount: 0 }],
    ['a negative base offset', { baseOffset: -1n }],
    ['a base offset beyond 2^53 − 1', { baseOffset: 2n ** 53n }],
    ['a last offset beyond 2^53 − 1', { baseOffset: 2n ** 53n - 1n, lastOffsetDelta: 3 }],
  ])('refuses %s under a right CRC', (_, fields) => {
    expect(stateOf(rawBatch({ ...good, ...fields }))).toBe('fields')
  })
})
