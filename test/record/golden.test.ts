import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CorruptBatchError } from '../../src/base/errors.ts'
import type { Offset } from '../../src/base/types.ts'
import { crc32c } from '../../src/platform/crc32c.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { assignOffset, BatchView, measureBatch } from '../../src/record/batch-view.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import {
  VarintReader,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../../src/record/varint.ts'

// Goal: our bytes are Kafka's bytes.
// Method: vectors of an independent encoder, decoded field by field and encoded byte by byte.

function golden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../fixtures/golden/${file}`, import.meta.url), 'utf8'))
}

type VarintVector = { type: 'varint' | 'varlong'; value?: string; hex: string; error?: string }
type CrcVector = { ascii?: string; hex?: string; crc32c_hex: string }
type BatchVector = {
  name: string
  size: number
  hex: string
  fields: Record<string, number>
  records: {
    offset: number
    timestamp: number
    key_hex: string | null
    value_hex: string | null
    headers: [string, string | null][]
  }[]
}

describe('golden varints', () => {
  const vectors = golden<VarintVector[]>('varint.json')

  it.each(vectors.filter((vector) => vector.value !== undefined))(
    '$type $value is $hex',
    ({ type, value, hex }) => {
      const bytes = Buffer.from(hex, 'hex')
      const reader = new VarintReader().at(bytes, 0, bytes.length)
      const read = () => (type === 'varint' ? reader.readVarint() : reader.readVarlong())
      const number = Number(value)
      if (!Number.isSafeInteger(number)) {
        expect(read).toThrow(CorruptBatchError)
        expect(reader.position, 'the value is skipped all the same').toBe(bytes.length)
        return
      }
      expect(read()).toBe(number)
      expect(reader.position).toBe(bytes.length)
      const written = Buffer.alloc(10)
      const write = type === 'varint' ? writeVarint : writeVarlong
      const size = type === 'varint' ? varintSize : varlongSize
      expect(write(written, 0, number)).toBe(bytes.length)
      expect(size(number)).toBe(bytes.length)
      expect(written.subarray(0, bytes.length)).toEqual(bytes)
    },
  )

  it.each(vectors.filter((vector) => vector.error !== undefined))(
    'refuses the $type $hex: $error',
    ({ type, hex }) => {
      const bytes = Buffer.from(hex, 'hex')
      const reader = new VarintReader().at(bytes, 0, bytes.length)
      expect(() => (type === 'varint' ? reader.readVarint() : reader.readVarlong())).toThrow(
        CorruptBatchError,
      )
    },
  )
})

describe('golden CRC-32C', () => {
  it.each(golden<CrcVector[]>('crc32c.json'))('of $ascii$hex is $crc32c_hex', (vector) => {
    const bytes = Buffer.from(
      vector.ascii ?? vector.hex!,
      vector.hex === undefined ? 'utf8' : 'hex',
    )
    const crc = crc32c(bytes, 0, bytes.length)
    expect(crc.toString(16).padStart(8, '0')).toBe(vector.crc32c_hex)
  })
})

describe('golden batches', () => {
  const vectors = golden<BatchVector[]>('record-batches.json')

  it.each(vectors)('reads the header of $name', ({ hex, size, fields }) => {
    const bytes = Buffer.concat([Buffer.from('ffff', 'hex'), Buffer.from(hex, 'hex')])
    const view = new BatchView().at(bytes, 2)
    expect(measureBatch(bytes, 2, bytes.length)).toBe(size)
    expect(view.sizeBytes).toBe(size)
    expect(view.hasValidCrc()).toBe(true)
    expect({
      baseOffset: view.baseOffset,
      batchLength: view.sizeBytes - 12,
      partitionLeaderEpoch: view.leaderEpoch,
      magic: view.magic,
      crc: view.crc,
      attributes: view.attributes,
      lastOffsetDelta: view.lastOffsetDelta,
      baseTimestamp: view.baseTimestamp,
      maxTimestamp: view.maxTimestamp,
      producerId: view.producerId,
      producerEpoch: view.producerEpoch,
      baseSequence: view.baseSequence,
      recordCount: view.recordCount,
    }).toEqual(fields)
  })

  it.each(vectors)('walks the records of $name', ({ hex, records }) => {
    const cursor = new RecordCursor().open(Buffer.from(hex, 'hex'), 0)
    const read = []
    while (cursor.next()) {
      const { offset, timestamp, key, value, headers } = cursor.record()
      read.push({
        offset,
        timestamp,
        key_hex: key?.toString('hex') ?? null,
        value_hex: value?.toString('hex') ?? null,
        headers: headers.map((header) => [header.key, header.value?.toString('hex') ?? null]),
      })
    }
    expect(read).toEqual(records)
  })

  // Those that a producer's builder can make: uncompressed, complete, first record at delta 0.
  const buildable = new Set([
    'plain_two_records',
    'idempotent_two_records',
    'headers_and_null_value',
    'negative_timestamp_delta',
  ])

  it.each(vectors.filter(({ name }) => buildable.has(name)))(
    'builds $name byte for byte',
    ({ hex, fields, records }) => {
      const builder = new BatchBuilder()
      const bytesOf = (text: string | null) => (text === null ? null : Buffer.from(text, 'hex'))
      for (const record of records) {
        builder.add(
          {
            key: bytesOf(record.key_hex),
            value: bytesOf(record.value_hex),
            headers: record.headers.map(([key, value]) => ({ key, value: bytesOf(value) })),
            timestamp: record.timestamp,
          },
          0,
        )
      }
      builder.setProducer({
        producerId: fields['producerId']!,
        producerEpoch: fields['producerEpoch']!,
        baseSequence: fields['baseSequence']!,
      })
      const batch = builder.finish()
      assignOffset(batch, 0, fields['baseOffset'] as Offset, fields['partitionLeaderEpoch']!)
      expect(batch.toString('hex')).toBe(hex)
    },
  )
})
