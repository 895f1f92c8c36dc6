import vm from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidBatchError, InvalidOptionError } from '../../src/base/errors.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { BatchView } from '../../src/record/batch-view.ts'
import { codecNames } from '../../src/record/codec-name.ts'
import type { RecordFields, RecordInput } from '../../src/record/record.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { checkStoredBatch } from '../../src/record/stored-batch.ts'
import { arbitraryRecords, storedBytes } from '../support/arbitrary-batch.ts'

const nowMs = 1_700_000_000_000

function readBack(batch: Buffer) {
  const cursor = new RecordCursor().open(batch, 0)
  const records = []
  while (cursor.next()) records.push(cursor.record())
  return records
}

function expectedRecords(records: readonly RecordFields[]) {
  return records.map((record, offset) => ({
    offset,
    timestamp: record.timestamp ?? nowMs,
    key: storedBytes(record.key),
    value: storedBytes(record.value),
    headers: ((record.headers ?? []) as { key: string; value: string | null }[]).map((header) => ({
      key: storedBytes(header.key)!.toString('utf8'),
      value: storedBytes(header.value),
    })),
  }))
}

describe('batch builder', () => {
  it.each(codecNames)('gives back everything encodable (%s)', (codec) => {
    fc.assert(
      fc.property(arbitraryRecords, (records) => {
        const builder = new BatchBuilder({ codec })
        builder.addAll(records, nowMs)
        const batch = builder.finish()
        expect(checkStoredBatch(batch, 0, batch.length)).toBe('ok')
        expect(readBack(batch)).toEqual(expectedRecords(records))
        const timestamps = records.map((record) => record.timestamp ?? nowMs)
        const view = new BatchView().at(batch, 0)
        expect(view.maxTimestamp).toBe(Math.max(...timestamps))
        expect(view.baseTimestamp).toBe(timestamps[0])
        expect(view.codec).toBe(codec)
      }),
      { numRuns: 40 },
    )
  })

  it('makes of a list what it makes of its records one by one', () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(0, 63, 64, 8191, 8192, 9000).map((length) => new Uint8Array(length).fill(7)),
    )
    const fields = arbitraryRecords.map((records) => records[0]!)
    const record: fc.Arbitrary<RecordInput> = fc.oneof(
      { arbitrary: value, weight: 6 },
      { arbitrary: fc.string(), weight: 1 },
      { arbitrary: fields, weight: 1 },
    )
    const lists = fc.array(fc.tuple(fc.array(record, { maxLength: 90 }), fc.nat(100)), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(lists, (lists) => {
        const together = new BatchBuilder()
        const alone = new BatchBuilder()
        for (const [records, age] of lists) {
          together.addAll(records, nowMs - age)
          for (const record of records) alone.add(record, nowMs - age)
        }
        expect(together.recordCount).toBe(alone.recordCount)
        expect(together.sizeBytes).toBe(alone.sizeBytes)
        if (alone.recordCount === 0) return
        const batch = together.finish()
        expect(batch.equals(alone.finish())).toBe(true)
        expect(checkStoredBatch(batch, 0, batch.length)).toBe('ok')
      }),
    )
  })

  it('takes key and value out of one array', () => {
    const part = fc.uint8Array({ maxLength: 100 })
    const pair = fc.tuple(part, fc.option(part))
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 20 }), (pairs) => {
        const builder = new BatchBuilder()
        for (const [key, value] of pairs) {
          const source = Buffer.concat([Buffer.from('..'), key, value ?? Buffer.alloc(0), key])
          const end = 2 + key.length
          const valueEnd = end + (value?.length ?? 0)
          builder.addKeyValue(source, 2, end, value === null ? -1 : end, valueEnd, nowMs)
        }
        const whole = new BatchBuilder()
        whole.addAll(
          pairs.map(([key, value]) => ({ key, value })),
          nowMs,
        )
        expect(builder.finish()).toEqual(whole.finish())
      }),
    )
  })

  it('takes strings and bytes alone as values, headers as object or list', () => {
    const builder = new BatchBuilder()
    const foreign = vm.runInNewContext('new Uint8Array([1, 2])') as Uint8Array
    const inputs: RecordInput[] = [
      'text',
      Buffer.from('bytes'),
      new Uint8Array([7]),
      foreign,
      { value: null, headers: { a: 'x', b: null } },
      { key: foreign, value: 'v', headers: [{ key: 'a', value: foreign }] },
    ]
    builder.addAll(inputs, nowMs)
    const records = readBack(builder.finish())
    expect(records.map((record) => record.value?.toString('hex') ?? null)).toEqual([
      Buffer.from('text').toString('hex'),
      Buffer.from('bytes').toString('hex'),
      '07',
      '0102',
      null,
      Buffer.from('v').toString('hex'),
    ])
    expect(records[4]!.headers).toEqual([
      { key: 'a', value: Buffer.from('x') },
      { key: 'b', value: null },
    ])
    expect(records[5]!.key).toEqual(Buffer.from([1, 2]))
  })

  it('encodes text of every length around its short paths, ASCII or not', () => {
    for (const letter of ['a', 'é', '漢', '😀', '\ud800']) {
      for (const length of [0, 1, 9, 10, 19, 20, 21, 63, 64, 200]) {
        const value = letter.repeat(length)
        const builder = new BatchBuilder()
        builder.add({ key: value, value: `${value}!` }, nowMs)
        const [record] = readBack(builder.finish())
        expect(record!.key).toEqual(Buffer.from(value, 'utf8'))
        expect(record!.value).toEqual(Buffer.from(`${value}!`, 'utf8'))
      }
    }
  })

  it.each([
    ['record.value', { key: 'k' }],
    ['record.value', { value: 5 }],
    ['record.key', { key: 5, value: 'v' }],
    ['record.timestamp', { value: 'v', timestamp: -2 }],
    ['record.timestamp', { value: 'v', timestamp: 1.5 }],
    ['record.timestamp', { value: 'v', timestamp: 2 ** 53 }],
    ['record.timestamp', { value: 'v', timestamp: '1' }],
    ['record.headers', { value: 'v', headers: 'h' }],
    ['record.headers', { value: 'v', headers: null }],
    ['record.headers["h"]', { value: 'v', headers: { h: 1 } }],
    ['record.headers[0].key', { value: 'v', headers: [{ value: 'x' }] }],
    ['record.headers[0].key', { value: 'v', headers: [null] }],
    ['record.headers[1].value', { value: 'v', headers: [{ key: 'a', value: 'x' }, { key: 'b' }] }],
    ['record', 17],
    ['record', null],
    ['record', undefined],
  ])('names %s when it is wrong and stays as it was', (option, record) => {
    const builder = new BatchBuilder()
    builder.add('first', nowMs)
    const before = Buffer.from(builder.finish())
    const add = () => builder.addAll(['second', record as RecordInput], nowMs + 5)
    expect(add).toThrow(InvalidOptionError)
    expect(add).toThrow(expect.objectContaining({ option }))
    expect(builder.recordCount).toBe(1)
    expect(builder.maxTimestamp).toBe(nowMs)
    expect(builder.finish()).toEqual(before)
  })

  it('refuses to finish without records', () => {
    expect(() => new BatchBuilder().finish()).toThrow(InvalidBatchError)
  })

  it('refuses codecs, levels and producers that do not exist', () => {
    expect(() => new BatchBuilder({ codec: 'brotli' as never })).toThrow('"brotli" does not exist')
    expect(() => new BatchBuilder({ codec: 'gzip', level: 10 })).toThrow(InvalidOptionError)
    expect(() => new BatchBuilder({ codec: 'snappy', level: 1 })).toThrow(InvalidOptionError)
    expect(() => new BatchBuilder({ codec: 'zstd', level: 1.5 })).toThrow(InvalidOptionError)
    const builder = new BatchBuilder()
    const set = (producerId: number, producerEpoch: number, baseSequence: number) => () =>
      builder.setProducer({ producerId, producerEpoch, baseSequence })
    expect(set(1, 0, -1)).toThrow(expect.objectContaining({ option: 'baseSequence' }))
    expect(set(1, 32_768, 0)).toThrow(expect.objectContaining({ option: 'producerEpoch' }))
    expect(set(-2, -1, -1)).toThrow(expect.objectContaining({ option: 'producerId' }))
    expect(set(-1, -1, -1)).not.toThrow()
  })

  it('starts afresh after reset, producer and transaction included', () => {
    const builder = new BatchBuilder()
    builder.setProducer({ producerId: 5, producerEpoch: 2, baseSequence: 7 })
    builder.setTransactional(true)
    builder.add(Buffer.alloc(6 * 1024 * 1024), 5)
    const view = new BatchView().at(builder.finish(), 0)
    expect([view.producerId, view.producerEpoch, view.baseSequence]).toEqual([5, 2, 7])
    expect(view.isTransactional).toBe(true)
    builder.reset()
    expect([builder.recordCount, builder.sizeBytes, builder.maxTimestamp]).toEqual([0, 61, -1])
    builder.add('a', nowMs)
    const fresh = new BatchBuilder()
    fresh.add('a', nowMs)
    expect(builder.finish()).toEqual(fresh.finish())
  })

  it('goes on after finish, and counts its size as it goes', () => {
    const builder = new BatchBuilder()
    for (let index = 0; index < 300; index++) {
      builder.add(`value ${index}`, nowMs)
      expect(builder.finish().length).toBe(builder.sizeBytes)
    }
    expect(readBack(builder.finish())).toHaveLength(300)
  })

  it('shares nothing between builders', () => {
    const [one, two] = [new BatchBuilder(), new BatchBuilder()]
    one.add('one', nowMs)
    two.add('two', nowMs)
    expect(readBack(one.finish())[0]!.value!.toString()).toBe('one')
    expect(readBack(two.finish())[0]!.value!.toString()).toBe('two')
  })
})

describe('timestamps of one batch', () => {
  it('are refused when they lie too far apart, and the batch goes on without the record', () => {
    const builder = new BatchBuilder()
    builder.add({ value: 'first', timestamp: -1 }, 0)
    const far = { value: 'far', timestamp: Number.MAX_SAFE_INTEGER }
    expect(() => builder.add(far, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
    )
    builder.add({ value: 'last', timestamp: 7 }, 0)
    expect(builder.recordCount).toBe(2)
  })
})
