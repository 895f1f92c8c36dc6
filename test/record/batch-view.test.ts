import { describe, expect, it } from 'vitest'
import { CorruptBatchError, UnsupportedCodecError } from '../../src/base/errors.ts'
import type { Offset } from '../../src/base/types.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import {
  assignOffset,
  BatchView,
  explainImpossibleBatch,
  measureBatch,
  stampAppendTime,
  stampCreateTime,
} from '../../src/record/batch-view.ts'
import { advanceSequence, maxSequence, retreatSequence } from '../../src/record/sequence.ts'

function batchOf(count: number): Buffer {
  const builder = new BatchBuilder()
  for (let index = 0; index < count; index++) builder.add(`value-${index}`, 1000 + index)
  return Buffer.from(builder.finish())
}

describe('batch view', () => {
  it('shows a batch at its place among others and can move on', () => {
    const first = batchOf(3)
    const second = batchOf(5)
    const bytes = Buffer.concat([first, second])
    const view = new BatchView().at(bytes, 0)
    expect([view.sizeBytes, view.recordCount]).toEqual([first.length, 3])
    view.at(bytes, view.position + view.sizeBytes)
    expect([view.sizeBytes, view.recordCount]).toEqual([second.length, 5])
    expect(view.hasValidCrc()).toBe(true)
  })

  it('derives last and next offset, inclusive and exclusive', () => {
    const bytes = batchOf(4)
    assignOffset(bytes, 0, 40 as Offset, 7)
    const view = new BatchView().at(bytes, 0)
    expect([view.baseOffset, view.lastOffset, view.nextOffset]).toEqual([40, 43, 44])
    expect(view.leaderEpoch).toBe(7)
    expect(view.hasValidCrc(), 'the CRC does not cover what was assigned').toBe(true)
  })

  it('refuses offsets and producer ids beyond 2^53 − 1', () => {
    const bytes = batchOf(2)
    const view = new BatchView().at(bytes, 0)
    bytes.writeBigInt64BE(2n ** 53n - 1n, 0)
    expect(view.baseOffset).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => view.lastOffset).toThrow(CorruptBatchError)
    bytes.writeBigInt64BE(2n ** 53n, 0)
    expect(() => view.baseOffset).toThrow(CorruptBatchError)
    bytes.writeBigInt64BE(-(2n ** 63n), 43)
    expect(() => view.producerId).toThrow(CorruptBatchError)
  })

  it('tells the attribute bits apart, looking at the low byte only', () => {
    const bytes = batchOf(1)
    const view = new BatchView().at(bytes, 0)
    bytes.writeUInt16BE(0xff00, 21)
    expect(view.codec).toBe('none')
    expect([view.isTransactional, view.isControl, view.hasDeleteHorizon]).toEqual([
      false,
      false,
      false,
    ])
    expect(view.timestampType).toBe('create')
    bytes.writeUInt16BE(0x007c, 21)
    expect(view.codec).toBe('zstd')
    expect([view.isTransactional, view.isControl, view.hasDeleteHorizon]).toEqual([
      true,
      true,
      true,
    ])
    expect(view.timestampType).toBe('append')
    for (const id of [5, 6, 7]) {
      bytes.writeUInt16BE(id, 21)
      expect(() => view.codec).toThrow(UnsupportedCodecError)
    }
  })

  it('wraps the last sequence from 2^31 − 1 to 0', () => {
    const builder = new BatchBuilder()
    for (let index = 0; index < 4; index++) builder.add('x', 0)
    builder.setProducer({ producerId: 9, producerEpoch: 1, baseSequence: maxSequence - 1 })
    const view = new BatchView().at(builder.finish(), 0)
    expect(view.lastSequence).toBe(1)
    expect(advanceSequence(maxSequence, 1)).toBe(0)
    expect(retreatSequence(1, 3)).toBe(maxSequence - 1)
  })

  it('stamps the time of the append and back, with a new CRC', () => {
    const bytes = batchOf(3)
    const view = new BatchView().at(bytes, 0)
    stampAppendTime(bytes, 0, 5_000_000_000_000)
    expect([view.timestampType, view.maxTimestamp]).toEqual(['append', 5_000_000_000_000])
    expect(view.hasValidCrc()).toBe(true)
    stampCreateTime(bytes, 0, 1002)
    expect(bytes).toEqual(batchOf(3))
  })

  it('notices any changed byte under the CRC', () => {
    const bytes = batchOf(2)
    const view = new BatchView().at(bytes, 0)
    for (let position = 17; position < bytes.length; position++) {
      bytes[position]! ^= 0x10
      expect(view.hasValidCrc(), `byte ${position}`).toBe(false)
      bytes[position]! ^= 0x10
    }
  })

  it('refuses to stand where no header fits', () => {
    expect(() => new BatchView().at(Buffer.alloc(60), 0)).toThrow(CorruptBatchError)
    expect(() => new BatchView().at(Buffer.alloc(100), 40)).toThrow(CorruptBatchError)
    expect(() => new BatchView().at(Buffer.alloc(100), -1)).toThrow(CorruptBatchError)
  })
})

describe('measuring a batch', () => {
  it('asks for more bytes at every cut and measures the whole', () => {
    const bytes = batchOf(2)
    for (let end = 0; end < bytes.length; end++) expect(measureBatch(bytes, 0, end)).toBe(0)
    expect(measureBatch(bytes, 0, bytes.length)).toBe(bytes.length)
  })

  it('calls zeros, short lengths and other formats impossible and says why', () => {
    const why = (change: (bytes: Buffer) => void) => {
      const bytes = batchOf(2)
      change(bytes)
      expect(measureBatch(bytes, 0, bytes.length)).toBe(-1)
      return explainImpossibleBatch(bytes, 0, bytes.length)
    }
    expect(why((bytes) => bytes.fill(0))).toBe('impossible-length')
    expect(why((bytes) => bytes.writeInt32BE(48, 8))).toBe('impossible-length')
    expect(why((bytes) => bytes.writeInt32BE(-1, 8))).toBe('impossible-length')
    expect(why((bytes) => bytes.writeInt8(1, 16))).toBe('legacy-magic')
    expect(why((bytes) => bytes.writeInt8(0, 16))).toBe('legacy-magic')
    expect(why((bytes) => bytes.writeInt8(3, 16))).toBe('unknown-magic')
    expect(why((bytes) => bytes.writeInt8(-1, 16))).toBe('unknown-magic')
  })
})
