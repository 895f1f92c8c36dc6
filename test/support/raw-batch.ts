/** Batches no builder makes: written by hand so that tests can break one thing at a time. */
import { sealBatch } from '../../src/record/batch-view.ts'
import { writeVarint, writeVarlong } from '../../src/record/varint.ts'

export function varint(value: number): Buffer {
  const bytes = Buffer.alloc(5)
  return bytes.subarray(0, writeVarint(bytes, 0, value))
}

export function varlong(value: number): Buffer {
  const bytes = Buffer.alloc(10)
  return bytes.subarray(0, writeVarlong(bytes, 0, value))
}

export type RawRecord = {
  timestampDelta?: number
  offsetDelta: number
  key?: string | null
  value?: string | null
  /** Replaces the header count and headers. */
  headers?: Buffer
  /** Replaces the true length of the record. */
  length?: number
}

/** One encoded record, length prefix included. */
export function rawRecord(record: RawRecord): Buffer {
  const field = (text: string | null | undefined) =>
    text === null || text === undefined
      ? varint(-1)
      : Buffer.concat([varint(Buffer.byteLength(text)), Buffer.from(text)])
  const body = Buffer.concat([
    Buffer.from([0]),
    varlong(record.timestampDelta ?? 0),
    varint(record.offsetDelta),
    field(record.key),
    field(record.value),
    record.headers ?? varint(0),
  ])
  return Buffer.concat([varint(record.length ?? body.length), body])
}

export type RawBatch = {
  baseOffset?: bigint
  attributes?: number
  lastOffsetDelta: number
  recordCount: number
  baseTimestamp?: bigint
  maxTimestamp?: bigint
  producerId?: bigint
  producerEpoch?: number
  baseSequence?: number
  /** The records section as stored: compressed if the attributes say so. */
  records: Buffer
}

/** A whole batch with a right CRC around whatever the fields say. */
export function rawBatch(batch: RawBatch): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(61), batch.records])
  bytes.writeBigInt64BE(batch.baseOffset ?? 0n, 0)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(-1, 12)
  bytes.writeInt8(2, 16)
  bytes.writeInt16BE(batch.attributes ?? 0, 21)
  bytes.writeInt32BE(batch.lastOffsetDelta, 23)
  bytes.writeBigInt64BE(batch.baseTimestamp ?? 1000n, 27)
  bytes.writeBigInt64BE(batch.maxTimestamp ?? 1000n, 35)
  bytes.writeBigInt64BE(batch.producerId ?? -1n, 43)
  bytes.writeInt16BE(batch.producerEpoch ?? -1, 51)
  bytes.writeInt32BE(batch.baseSequence ?? -1, 53)
  bytes.writeInt32BE(batch.recordCount, 57)
  sealBatch(bytes, 0)
  return bytes
}
