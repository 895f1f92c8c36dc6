import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BatchTooLargeError,
  CorruptBatchError,
  LogError,
  TimestampError,
  UnsupportedCodecError,
  UnsupportedMagicError,
} from '../../src/base/errors.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { sealBatch, stampAppendTime } from '../../src/record/batch-view.ts'
import { codecNames } from '../../src/record/codec-name.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { checkStoredBatch } from '../../src/record/stored-batch.ts'
import { arbitraryRecords } from '../support/arbitrary-batch.ts'
import { rawBatch, rawRecord, varint } from '../support/raw-batch.ts'

// Goal: a cursor gives back what is there or one typed error that names the record; it never
// crashes, hangs or reads outside the batch.
// Method: hand-made batches broken in one place each, then every cut and flipped bits of good ones.

const nowMs = 1_700_000_000_000

function walk(bytes: Buffer, position = 0): string[] {
  const cursor = new RecordCursor({ maxDecompressedBytes: 1 << 20 }).open(bytes, position)
  const values: string[] = []
  while (cursor.next()) values.push(`${cursor.offset}:${cursor.record().value?.toString()}`)
  return values
}

describe('record cursor', () => {
  it('hands out positions first and buffers when asked', () => {
    const builder = new BatchBuilder()
    builder.add({ key: 'k', value: 'value', headers: { h: 'x' }, timestamp: 5 }, nowMs)
    builder.add({ value: null }, nowMs)
    const batch = builder.finish()
    const bytes = Buffer.concat([Buffer.alloc(7), batch])
    const cursor = new RecordCursor().open(bytes, 7)
    expect(cursor.index).toBe(-1)
    expect(cursor.next()).toBe(true)
    expect(cursor.source).toBe(bytes)
    expect(bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)).toBe('value')
    expect([cursor.timestamp, cursor.headerCount, cursor.index]).toEqual([5, 1, 0])
    expect(cursor.next()).toBe(true)
    expect([cursor.keyStart, cursor.keyEnd, cursor.valueStart, cursor.valueEnd]).toEqual([
      -1, -1, -1, -1,
    ])
    expect([cursor.key(), cursor.value(), cursor.headers()]).toEqual([null, null, []])
    expect(cursor.next()).toBe(false)
    expect(cursor.next()).toBe(false)
  })

  it('gives every record the append time when the batch carries it', () => {
    const builder = new BatchBuilder()
    builder.addAll(
      [
        { value: 'a', timestamp: 1 },
        { value: 'b', timestamp: -1 },
      ],
      nowMs,
    )
    const batch = builder.finish()
    stampAppendTime(batch, 0, nowMs)
    const cursor = new RecordCursor().open(batch, 0)
    while (cursor.next()) expect(cursor.timestamp).toBe(nowMs)
    expect(cursor.index).toBe(1)
  })

  it('walks compacted batches, with gaps and with fewer records than offsets', () => {
    const records = Buffer.concat([
      rawRecord({ offsetDelta: 2, key: 'a', value: 'x' }),
      rawRecord({ offsetDelta: 7, key: 'b', value: null }),
    ])
    const batch = rawBatch({ baseOffset: 100n, lastOffsetDelta: 9, recordCount: 2, records })
    expect(walk(batch)).toEqual(['102:x', '107:undefined'])
    const empty = rawBatch({ lastOffsetDelta: 9, recordCount: 0, records: Buffer.alloc(0) })
    expect(walk(empty)).toEqual([])
  })

  const one = (record: Buffer, recordCount = 1) =>
    rawBatch({ lastOffsetDelta: 0, recordCount, records: record })
  const headers = (...parts: Buffer[]) => Buffer.concat(parts)

  it.each([
    ['a length past the end', one(rawRecord({ offsetDelta: 0, value: 'v', length: 50 })), 0],
    ['a length of nothing', one(varint(0)), 0],
    ['a negative length', one(varint(-5)), 0],
    ['a length too short', one(rawRecord({ offsetDelta: 0, value: 'value', length: 6 })), 0],
    [
      'fields that leave bytes of the record',
      one(Buffer.concat([rawRecord({ offsetDelta: 0, length: 9 }), Buffer.alloc(3)])),
      0,
    ],
    ['a negative header count', one(rawRecord({ offsetDelta: 0, headers: varint(-1) })), 0],
    ['more headers than bytes', one(rawRecord({ offsetDelta: 0, headers: varint(2 ** 30) })), 0],
    [
      'a header without a key',
      one(rawRecord({ offsetDelta: 0, headers: headers(varint(1), varint(-1), varint(-1)) })),
      0,
    ],
    [
      'a header value past the end',
      one(rawRecord({ offsetDelta: 0, headers: headers(varint(1), varint(0), varint(9)) })),
      0,
    ],
    ['an offset past the last', one(rawRecord({ offsetDelta: 1 })), 0],
    ['a negative offset delta', one(rawRecord({ offsetDelta: -1 })), 0],
    ['too few records', one(rawRecord({ offsetDelta: 0 }), 2), 1],
    [
      'bytes after the last record',
      one(Buffer.concat([rawRecord({ offsetDelta: 0 }), Buffer.alloc(1)])),
      0,
    ],
  ])('refuses %s', (_, batch, index) => {
    expect(() => walk(batch)).toThrow(CorruptBatchError)
    expect(() => walk(batch)).toThrow(`record ${index}: `)
  })

  it('refuses bytes in a batch that declares no records', () => {
    const batch = rawBatch({ lastOffsetDelta: 0, recordCount: 0, records: Buffer.alloc(3) })
    expect(() => walk(batch)).toThrow('3 bytes follow')
  })

  it('refuses a header that cannot be: size, count, format, codec, offsets', () => {
    const broken = (change: (bytes: Buffer) => void) => {
      const bytes = one(rawRecord({ offsetDelta: 0, value: 'v' }))
      change(bytes)
      return () => walk(bytes)
    }
    expect(broken((bytes) => bytes.writeInt32BE(1000, 8))).toThrow(CorruptBatchError)
    expect(broken((bytes) => bytes.writeInt32BE(20, 8))).toThrow(CorruptBatchError)
    expect(broken((bytes) => bytes.writeInt32BE(-1, 57))).toThrow(CorruptBatchError)
    expect(broken((bytes) => bytes.writeInt8(1, 16))).toThrow(UnsupportedMagicError)
    expect(broken((bytes) => bytes.writeInt16BE(5, 21))).toThrow(UnsupportedCodecError)
    expect(broken((bytes) => bytes.writeBigInt64BE(-3n, 0))).toThrow(CorruptBatchError)
  })

  it('refuses timestamps beyond 2^53 − 1, unless the append time replaces them', () => {
    const max = BigInt(Number.MAX_SAFE_INTEGER)
    const batch = rawBatch({
      lastOffsetDelta: 0,
      recordCount: 1,
      baseTimestamp: max,
      records: rawRecord({ offsetDelta: 0, timestampDelta: 1, value: 'v' }),
    })
    expect(() => walk(batch)).toThrow(TimestampError)
    stampAppendTime(batch, 0, nowMs)
    expect(walk(batch)).toEqual(['0:v'])
  })

  it('refuses to decompress past its bound', () => {
    const builder = new BatchBuilder({ codec: 'zstd' })
    builder.add(Buffer.alloc(2 << 20), nowMs)
    expect(() => walk(builder.finish())).toThrow(BatchTooLargeError)
  })

  it('ends after an error', () => {
    const cursor = new RecordCursor().open(one(varint(0)), 0)
    expect(() => cursor.next()).toThrow(CorruptBatchError)
    expect(cursor.next()).toBe(false)
  })

  it('can be opened again and again', () => {
    const builder = new BatchBuilder()
    builder.addAll(['a', 'b'], nowMs)
    const batch = builder.finish()
    const cursor = new RecordCursor()
    for (let round = 0; round < 3; round++) {
      cursor.open(batch, 0)
      let count = 0
      while (cursor.next()) count++
      expect(count).toBe(2)
    }
  })
})

describe('hostile batches', () => {
  it.each(codecNames)('cut at every byte are refused (%s)', (codec) => {
    const builder = new BatchBuilder({ codec })
    for (let index = 0; index < 5; index++) builder.add({ key: `${index}`, value: 'value' }, nowMs)
    const batch = Buffer.from(builder.finish())
    for (let length = 0; length < batch.length; length++) {
      const cut = batch.subarray(0, length)
      expect(() => walk(cut)).toThrow(LogError)
      expect(checkStoredBatch(cut, 0, length)).toBe('incomplete')
      if (length <= 61) continue
      // The same cut with a header that vouches for it.
      const sealed = Buffer.from(cut)
      sealed.writeInt32BE(length - 12, 8)
      sealBatch(sealed, 0)
      expectRecordsOrLogError(sealed)
    }
  })

  it.each(codecNames)('with flipped bits never crash (%s)', (codec) => {
    fc.assert(
      fc.property(
        arbitraryRecords,
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 3 }),
        (records, flips) => {
          const builder = new BatchBuilder({ codec })
          builder.addAll(records, nowMs)
          const batch = Buffer.from(builder.finish())
          for (const [place, bit] of flips) batch[place % batch.length]! ^= 1 << bit
          checkStoredBatch(batch, 0, batch.length)
          expectRecordsOrLogError(batch)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('of random bytes never crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 200 }), fc.nat(4), (array, codec) => {
        const records = Buffer.from(array)
        checkStoredBatch(records, 0, records.length)
        expectRecordsOrLogError(records)
        const batch = rawBatch({ attributes: codec, lastOffsetDelta: 9, recordCount: 3, records })
        expectRecordsOrLogError(batch)
      }),
      { numRuns: 500 },
    )
  })
})

function expectRecordsOrLogError(bytes: Buffer): void {
  try {
    walk(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(LogError)
  }
}
