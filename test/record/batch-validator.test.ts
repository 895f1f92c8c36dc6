import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BatchTooLargeError,
  CorruptBatchError,
  InvalidBatchError,
  LogError,
  TimestampError,
  UnsupportedCodecError,
  UnsupportedMagicError,
} from '../../src/base/errors.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { type ProduceRules, validateProduced } from '../../src/record/batch-validator.ts'
import { BatchView, sealBatch } from '../../src/record/batch-view.ts'
import { codecIdOf, codecNames } from '../../src/record/codec-name.ts'
import { compress } from '../../src/record/compression.ts'
import { rebuildBatch } from '../../src/record/rebuild-batch.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { arbitraryRecords } from '../support/arbitrary-batch.ts'
import { type RawBatch, rawBatch, rawRecord } from '../support/raw-batch.ts'

// Goal: a leader appends exactly what Kafka's leader would, and refuses the rest with the error
// that maps to Kafka's.
// Method: one good batch, changed in one respect per test.

const nowMs = 1_700_000_000_000

const rules: ProduceRules = {
  maxBatchBytes: 1 << 20,
  maxDecompressedBytes: 1 << 20,
  requiresKeys: false,
  timestampType: 'create',
  beforeMaxMs: Number.MAX_SAFE_INTEGER,
  afterMaxMs: Number.MAX_SAFE_INTEGER,
  nowMs,
  codec: 'producer',
  allowZstd: true,
}

const twoRecords = Buffer.concat([
  rawRecord({ offsetDelta: 0, key: 'a', value: 'x' }),
  rawRecord({ offsetDelta: 1, value: 'y', timestampDelta: 5 }),
])
const good: RawBatch = {
  lastOffsetDelta: 1,
  recordCount: 2,
  baseTimestamp: BigInt(nowMs),
  maxTimestamp: BigInt(nowMs + 5),
  records: twoRecords,
}

function validate(bytes: Buffer, changed: Partial<ProduceRules> = {}) {
  return validateProduced(bytes, 0, bytes.length, { ...rules, ...changed })
}

function refusal(bytes: Buffer, changed: Partial<ProduceRules> = {}): LogError {
  const before = Buffer.from(bytes)
  try {
    validate(bytes, changed)
  } catch (error) {
    expect(error).toBeInstanceOf(LogError)
    expect(bytes, 'a refused batch is left as it was').toEqual(before)
    return error as LogError
  }
  throw new Error('the batch was accepted')
}

function built(codec: 'none' | 'zstd' | 'gzip' = 'none'): Buffer {
  const builder = new BatchBuilder({ codec })
  builder.addAll(
    [
      { key: 'a', value: 'x' },
      { value: 'y', timestamp: nowMs + 5 },
    ],
    nowMs,
  )
  return Buffer.from(builder.finish())
}

function faultsOf(error: LogError): number[] {
  return (error as InvalidBatchError).faults.map(({ recordIndex }) => recordIndex)
}

function valuesOf(bytes: Buffer): (string | undefined)[] {
  const cursor = new RecordCursor().open(bytes, 0)
  const values = []
  while (cursor.next()) values.push(cursor.value()?.toString())
  return values
}

describe('a produced batch', () => {
  it.each(codecNames)('is kept as it came when all is well (%s)', (codec) => {
    const builder = new BatchBuilder({ codec })
    builder.setProducer({ producerId: 7, producerEpoch: 1, baseSequence: 2_147_483_647 })
    builder.setTransactional(true)
    builder.addAll(['one', { value: 'two', timestamp: nowMs + 9 }], nowMs)
    const bytes = Buffer.concat([Buffer.alloc(3), builder.finish(), Buffer.alloc(2)])
    const before = Buffer.from(bytes)
    expect(validateProduced(bytes, 3, bytes.length - 2, rules)).toEqual({
      action: 'keep',
      sizeBytes: bytes.length - 5,
      recordCount: 2,
      lastOffsetDelta: 1,
      maxTimestamp: nowMs + 9,
      timestampType: 'create',
      sourceCodec: codec,
      targetCodec: codec,
      producerId: 7,
      producerEpoch: 1,
      baseSequence: 2_147_483_647,
      lastSequence: 0,
      isTransactional: true,
    })
    expect(bytes).toEqual(before)
  })

  it('must be one: not none, not two, not a part', () => {
    expect(refusal(Buffer.alloc(0))).toBeInstanceOf(InvalidBatchError)
    expect(refusal(Buffer.concat([built(), built()]))).toBeInstanceOf(InvalidBatchError)
    expect(refusal(Buffer.concat([built(), Buffer.alloc(1)]))).toBeInstanceOf(InvalidBatchError)
    const bytes = built()
    for (let length = 1; length < bytes.length; length++) {
      expect(refusal(bytes.subarray(0, length))).toBeInstanceOf(CorruptBatchError)
    }
  })

  it('must be of format 2', () => {
    for (const magic of [0, 1, 3, -1]) {
      const bytes = built()
      bytes.writeInt8(magic, 16)
      const error = refusal(bytes)
      expect(error).toBeInstanceOf(UnsupportedMagicError)
      expect(error).toMatchObject({ magic })
    }
  })

  it('must have a possible length and the right CRC', () => {
    const short = built()
    short.writeInt32BE(48, 8)
    expect(refusal(short)).toBeInstanceOf(CorruptBatchError)
    expect(refusal(Buffer.alloc(80))).toBeInstanceOf(CorruptBatchError)
    const bytes = built()
    bytes[70]! ^= 1
    expect(refusal(bytes)).toBeInstanceOf(CorruptBatchError)
  })

  it('must not exceed the limit, whole and decompressed', () => {
    const bytes = built()
    expect(refusal(bytes, { maxBatchBytes: bytes.length - 1 })).toMatchObject({ limit: 'message' })
    expect(validate(bytes, { maxBatchBytes: bytes.length }).action).toBe('keep')
    const bomb = refusal(built('zstd'), { maxDecompressedBytes: 10 })
    expect(bomb).toBeInstanceOf(BatchTooLargeError)
    expect(bomb).toMatchObject({ limit: 'decompressed' })
  })

  it.each([
    ['a base offset', { baseOffset: 5n }],
    ['an absurd base offset', { baseOffset: 2n ** 62n }],
    ['a negative last offset delta', { lastOffsetDelta: -1 }],
    ['no records', { lastOffsetDelta: -1, recordCount: 0, records: Buffer.alloc(0) }],
    ['more offsets than records', { lastOffsetDelta: 2 }],
    ['more records than offsets', { recordCount: 3 }],
    ['the control bit', { attributes: 0x20 }],
    ['a producer id without a sequence', { producerId: 5n, producerEpoch: 0 }],
    ['a producer id without an epoch', { producerId: 5n, baseSequence: 0 }],
    ['an absurd producer id', { producerId: 2n ** 60n }],
  ])('may not have %s', (_, fields) => {
    expect(refusal(rawBatch({ ...good, ...fields }))).toBeInstanceOf(InvalidBatchError)
  })

  it('may have odd producer fields without a producer id, as some clients write', () => {
    const bytes = rawBatch({ ...good, producerEpoch: 0, baseSequence: 0 })
    expect(validate(bytes).producerId).toBe(-1)
  })

  it('may not name a codec that does not exist, nor zstd where it is not allowed', () => {
    for (const attributes of [5, 6, 7]) {
      expect(refusal(rawBatch({ ...good, attributes }))).toBeInstanceOf(UnsupportedCodecError)
    }
    expect(refusal(built('zstd'), { allowZstd: false })).toBeInstanceOf(UnsupportedCodecError)
    expect(validate(built('gzip'), { allowZstd: false }).action).toBe('keep')
  })

  it('may not hold broken compressed data', () => {
    for (const attributes of [1, 2, 3, 4]) {
      expect(refusal(rawBatch({ ...good, attributes }))).toBeInstanceOf(CorruptBatchError)
    }
  })
})

describe('the records of a produced batch', () => {
  it('name the first one whose structure is broken', () => {
    const records = Buffer.concat([
      rawRecord({ offsetDelta: 0 }),
      rawRecord({ offsetDelta: 1, length: 3 }),
    ])
    const error = refusal(rawBatch({ ...good, records }))
    expect(error).toBeInstanceOf(InvalidBatchError)
    expect(error).toMatchObject({ recordIndex: 1 })
  })

  it('need keys in a compacted log', () => {
    const error = refusal(rawBatch(good), { requiresKeys: true })
    expect(error).toBeInstanceOf(InvalidBatchError)
    expect(error).toMatchObject({ recordIndex: 1 })
  })

  it('must have offsets 0, 1, 2, … when not compressed, and are renumbered when they are', () => {
    const records = Buffer.concat([
      rawRecord({ offsetDelta: 0, value: 'x' }),
      rawRecord({ offsetDelta: 0, value: 'y' }),
    ])
    expect(refusal(rawBatch({ ...good, records }))).toMatchObject({ recordIndex: 1 })
    const packed = rawBatch({
      ...good,
      attributes: codecIdOf('gzip'),
      records: compress('gzip', records),
    })
    const info = validate(packed)
    expect(info.action).toBe('rebuild')
    const rebuilt = rebuildBatch(packed, 0, { ...rules, codec: info.targetCodec })
    expect(validate(rebuilt).action).toBe('keep')
    expect(valuesOf(rebuilt)).toEqual(['x', 'y'])
  })

  it('must lie within the time bounds, both inclusive', () => {
    const at = (timestamp: number) => rawBatch({ ...good, baseTimestamp: BigInt(timestamp) })
    const bounds = { beforeMaxMs: 100, afterMaxMs: 50 }
    expect(validate(at(nowMs - 100), bounds).action).toBe('keep')
    expect(validate(at(nowMs + 45), bounds).action).toBe('keep')
    expect(refusal(at(nowMs - 101), bounds)).toMatchObject({ recordIndex: 0 })
    const late = refusal(at(nowMs + 46), bounds)
    expect(late).toBeInstanceOf(TimestampError)
    expect(late).toMatchObject({ recordIndex: 1 })
    expect(validate(at(nowMs + 46), { ...bounds, timestampType: 'append' }).action).toBe('keep')
  })

  it('may have no time', () => {
    const records = rawRecord({ offsetDelta: 0, value: 'v' })
    const bytes = rawBatch({
      lastOffsetDelta: 0,
      recordCount: 1,
      baseTimestamp: -1n,
      maxTimestamp: -1n,
      records,
    })
    expect(validate(bytes, { beforeMaxMs: 0, afterMaxMs: 0 }).maxTimestamp).toBe(-1)
  })

  it.each([
    ['before the epoch', { baseTimestamp: -20n }],
    ['beyond 2^53 − 1', { baseTimestamp: 2n ** 60n }],
    ['beyond 2^53 − 1 by their delta', { baseTimestamp: 2n ** 53n - 3n }],
  ])('may not have a time %s', (_, fields) => {
    expect(refusal(rawBatch({ ...good, ...fields }))).toBeInstanceOf(TimestampError)
    const appended = validate(rawBatch({ ...good, ...fields }), { timestampType: 'append' })
    expect(appended.maxTimestamp).toBe(nowMs)
  })

  it('let a timestamp failure decide the error, wherever it is', () => {
    const records = Buffer.concat([
      rawRecord({ offsetDelta: 0, value: 'no key' }),
      rawRecord({ offsetDelta: 1, key: 'k', timestampDelta: 10_000 }),
    ])
    const error = refusal(rawBatch({ ...good, records }), { requiresKeys: true, afterMaxMs: 1000 })
    expect(error).toBeInstanceOf(TimestampError)
    expect(error).toMatchObject({ recordIndex: 1 })
    expect(faultsOf(error)).toEqual([0, 1])
  })

  it('are all named when several are at fault, each once, up to a bound', () => {
    const structure = Buffer.concat([
      rawRecord({ offsetDelta: 0 }),
      rawRecord({ offsetDelta: 2, key: 'k' }),
      rawRecord({ offsetDelta: 3 }),
      rawRecord({ offsetDelta: 3, key: 'k' }),
      rawRecord({ offsetDelta: 4, key: 'k', length: 3 }),
    ])
    const mixed = { ...good, lastOffsetDelta: 5, recordCount: 6, records: structure }
    const error = refusal(rawBatch(mixed), { requiresKeys: true })
    expect(error).toBeInstanceOf(InvalidBatchError)
    expect(faultsOf(error)).toEqual([0, 1, 2, 4])
    expect(error.message).toMatch(/record 0 has no key.* 4 records/)

    const builder = new BatchBuilder()
    for (let index = 0; index < 10_002; index++) builder.addAll(['keyless'], nowMs)
    const many = refusal(Buffer.from(builder.finish()), { requiresKeys: true })
    expect(faultsOf(many)).toHaveLength(10_000)
    expect(many.message).toMatch(/10002 records/)
  })
})

describe('finishing a produced batch in place', () => {
  it('corrects a wrong maxTimestamp, with a new CRC', () => {
    for (const maxTimestamp of [0n, -1n, 2n ** 63n - 1n]) {
      const bytes = rawBatch({ ...good, maxTimestamp })
      expect(validate(bytes).maxTimestamp).toBe(nowMs + 5)
      expect(bytes).toEqual(rawBatch(good))
    }
  })

  it('stamps the time of the append, also over compressed records', () => {
    for (const bytes of [built(), built('zstd')]) {
      const info = validate(bytes, { timestampType: 'append', nowMs: nowMs + 77 })
      expect(info).toMatchObject({ maxTimestamp: nowMs + 77, timestampType: 'append' })
      const cursor = new RecordCursor().open(bytes, 0)
      while (cursor.next()) expect(cursor.timestamp).toBe(nowMs + 77)
      expect(cursor.batch.hasValidCrc()).toBe(true)
    }
  })

  it('refuses an append time that the client claims, or clears it in a log of producers’ times', () => {
    const bytes = rawBatch({ ...good, attributes: 0x08, maxTimestamp: 17n })
    const error = refusal(Buffer.from(bytes), { timestampType: 'append' })
    expect(error).toBeInstanceOf(TimestampError)
    expect(validate(bytes).maxTimestamp).toBe(nowMs + 5)
    expect(bytes).toEqual(rawBatch(good))
  })
})

describe('rebuilding a batch', () => {
  it('is asked for when the log wants another codec', () => {
    expect(validate(built(), { codec: 'none' }).action).toBe('keep')
    expect(validate(built('zstd'), { codec: 'none' })).toMatchObject({
      action: 'rebuild',
      sourceCodec: 'zstd',
      targetCodec: 'none',
    })
  })

  it.each(codecNames)('keeps everything but the codec (to %s)', (codec) => {
    fc.assert(
      fc.property(arbitraryRecords, fc.constantFrom(...codecNames), (records, sourceCodec) => {
        const builder = new BatchBuilder({ codec: sourceCodec })
        builder.setProducer({ producerId: 5, producerEpoch: 3, baseSequence: 11 })
        builder.setTransactional(true)
        builder.addAll(records, nowMs)
        const source = Buffer.from(builder.finish())
        const rebuilt = rebuildBatch(source, 0, { ...rules, codec, maxBatchBytes: 1 << 24 })
        const view = new BatchView().at(rebuilt, 0)
        expect(view.hasValidCrc()).toBe(true)
        expect(view.codec).toBe(codec)
        expect([view.producerId, view.producerEpoch, view.baseSequence]).toEqual([5, 3, 11])
        expect(view.isTransactional).toBe(true)
        expect(recordsOf(rebuilt)).toEqual(recordsOf(source))
      }),
      { numRuns: 15 },
    )
  })

  it('gives all records the time of the append when the log wants that', () => {
    const rebuilt = rebuildBatch(built('gzip'), 0, {
      ...rules,
      codec: 'zstd',
      level: 5,
      timestampType: 'append',
    })
    const view = new BatchView().at(rebuilt, 0)
    expect([view.timestampType, view.maxTimestamp]).toEqual(['append', nowMs])
    expect(view.hasValidCrc()).toBe(true)
  })

  it('refuses a result above the limit', () => {
    const builder = new BatchBuilder({ codec: 'zstd' })
    builder.add(Buffer.alloc(100_000), nowMs)
    const source = builder.finish()
    const rebuild = () => rebuildBatch(source, 0, { ...rules, codec: 'none', maxBatchBytes: 9_999 })
    expect(rebuild).toThrow(BatchTooLargeError)
  })
})

describe('validation of anything', () => {
  it('accepts what our builder makes and throws nothing but LogErrors for what it does not', () => {
    fc.assert(
      fc.property(
        arbitraryRecords,
        fc.constantFrom(...codecNames),
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 2 }),
        fc.boolean(),
        (records, codec, flips, reseal) => {
          const builder = new BatchBuilder({ codec })
          builder.addAll(records, nowMs)
          const bytes = Buffer.from(builder.finish())
          if (flips.length === 0) {
            expect(validate(bytes).action).toBe('keep')
            return
          }
          for (const [place, bit] of flips) bytes[place % bytes.length]! ^= 1 << bit
          if (reseal) {
            bytes.writeInt32BE(bytes.length - 12, 8)
            sealBatch(bytes, 0)
          }
          try {
            const info = validate(bytes)
            expect(new BatchView().at(bytes, 0).hasValidCrc()).toBe(true)
            if (info.action === 'rebuild') rebuildBatch(bytes, 0, { ...rules, codec })
          } catch (error) {
            expect(error).toBeInstanceOf(LogError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

function recordsOf(bytes: Buffer) {
  const cursor = new RecordCursor().open(bytes, 0)
  const records = []
  while (cursor.next()) records.push(cursor.record())
  return records
}
