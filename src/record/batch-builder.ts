import { types } from 'node:util'
import { assert } from '../base/assert.ts'
import { BatchTooLargeError, InvalidBatchError, InvalidOptionError } from '../base/errors.ts'
import { kibibyte, mebibyte } from '../base/units.ts'
import {
  attributesAt,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchHeaderSize,
  batchLengthAt,
  batchOverhead,
  currentMagic,
  lastOffsetDeltaAt,
  leaderEpochAt,
  magicAt,
  maxBatchSize,
  maxTimestampAt,
  none,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  transactionalBit,
} from './batch-format.ts'
import { sealBatch } from './batch-view.ts'
import { type CodecName, codecIdOf } from './codec-name.ts'
import { checkCompressionLevel, compress } from './compression.ts'
import {
  byteLengthOf,
  copyBytes,
  fieldSize,
  headersSize,
  nullLength,
  writeField,
  writeHeaders,
} from './field-writer.ts'
import { fieldShape, flattenHeaders } from './header-input.ts'
import { writeInt16, writeInt32, writeInt64 } from './int64.ts'
import type { RecordBytes, RecordFields, RecordInput } from './record.ts'
import { maxSequence } from './sequence.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

const initialBytes = 16 * kibibyte
/** `reset` keeps a buffer up to this size for the next batch and frees a larger one. */
const retainedBytes = 4 * mebibyte
/** Every byte of a record that is not key, value or header, at its largest. */
const maxRecordOverhead = 40

const noBytes = Buffer.alloc(0)

export type ProducerFields = {
  /** ≥ 0, or −1 for none (then the other two are −1 as well). */
  readonly producerId: number
  readonly producerEpoch: number
  /** Sequence of the batch's first record, 0 … 2^31 − 1. */
  readonly baseSequence: number
}

/**
 * Encodes records into one batch, in a buffer of its own that grows to the largest batch built
 * and is used again. The hottest code of the project: per record one bounds check, a handful of
 * byte stores and one copy of the value; no allocation, no BigInt.
 *
 *     builder.addAll(records, now)
 *     const batch = builder.finish()   // valid until the next add or reset
 *     builder.reset()
 *
 * Offsets inside the batch are 0, 1, 2, …; base offset 0 and leader epoch −1 wait for
 * `assignOffset`. A record that is refused (InvalidOptionError naming the field) leaves the
 * builder as it was.
 */
export class BatchBuilder {
  readonly #codec: CodecName
  readonly #level: number | undefined
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes)
  /** Where a compressed batch is put together; empty until the first one. */
  #packed: Buffer = noBytes
  /** End of what is written, exclusive. */
  #position = batchHeaderSize
  #recordCount = 0
  #baseTimestamp = none
  #maxTimestamp = none
  #producerId = none
  #producerEpoch = none
  #baseSequence = none
  #isTransactional = false
  /** One value as a list; empty but for the moment of its encoding. */
  readonly #single: Uint8Array[] = [noBytes]

  /**
   * @param options.codec  default `none`.
   * @param options.level  compression level (see `checkCompressionLevel`); default: the codec's.
   */
  constructor(options: { readonly codec?: CodecName; readonly level?: number } = {}) {
    this.#codec = options.codec ?? 'none'
    this.#level = options.level
    checkCompressionLevel(this.#codec, this.#level)
  }

  get recordCount(): number {
    return this.#recordCount
  }

  /** Bytes of the batch so far, header included, before compression. */
  get sizeBytes(): number {
    return this.#position
  }

  /** Largest timestamp so far in ms since the epoch; −1 when no record has one. */
  get maxTimestamp(): number {
    return this.#maxTimestamp
  }

  /**
   * Appends one record.
   *
   * @param nowMs  timestamp of a record that brings none: ms since the epoch, or −1.
   */
  add(record: RecordInput, nowMs: number): void {
    if (record instanceof Uint8Array) this.#addValue(record, nowMs)
    else if (typeof record === 'string') this.#addFields(null, record, undefined, nowMs)
    else this.#addObject(record, nowMs)
  }

  /** Appends all records, or, when one is refused, none. */
  addAll(records: readonly RecordInput[], nowMs: number): void {
    const position = this.#position
    const recordCount = this.#recordCount
    const baseTimestamp = this.#baseTimestamp
    const maxTimestamp = this.#maxTimestamp
    try {
      for (let index = 0; index < records.length; index++) {
        index = this.#addValues(records, index, nowMs)
        if (index < records.length) this.add(records[index]!, nowMs)
      }
    } catch (error) {
      this.#position = position
      this.#recordCount = recordCount
      this.#baseTimestamp = baseTimestamp
      this.#maxTimestamp = maxTimestamp
      throw error
    }
  }

  /**
   * Appends a record of another batch without decoding it: `source[bodyStart, bodyEnd)` is its
   * encoded form from the key length on (see RecordCursor.bodyStart), copied as it is.
   */
  addEncoded(source: Buffer, bodyStart: number, bodyEnd: number, timestamp: number): void {
    const delta = this.#deltaOf(timestamp)
    const offsetDelta = this.#recordCount
    const bodySize = 1 + varlongSize(delta) + varintSize(offsetDelta) + bodyEnd - bodyStart
    const bytes = this.#reserve(bodySize)
    let position = writeVarint(bytes, this.#position, bodySize)
    bytes[position++] = 0 // attributes
    position = writeVarlong(bytes, position, delta)
    position = writeVarint(bytes, position, offsetDelta)
    source.copy(bytes, position, bodyStart, bodyEnd)
    this.#accept(position + bodyEnd - bodyStart, timestamp)
  }

  /**
   * Appends a record without headers whose key is `source[keyStart, keyEnd)` and whose value is
   * `source[valueStart, valueEnd)`, or null when `valueStart` is negative. Trusted.
   */
  addKeyValue(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestamp: number,
  ): void {
    const delta = this.#deltaOf(timestamp)
    const offsetDelta = this.#recordCount
    const keyLength = keyEnd - keyStart
    const valueLength = valueStart < 0 ? nullLength : valueEnd - valueStart
    const bodySize =
      2 +
      varlongSize(delta) +
      varintSize(offsetDelta) +
      fieldSize(keyLength) +
      fieldSize(valueLength)
    const bytes = this.#reserve(bodySize)
    let position = writeVarint(bytes, this.#position, bodySize)
    bytes[position++] = 0 // attributes
    position = writeVarlong(bytes, position, delta)
    position = writeVarint(bytes, position, offsetDelta)
    position = writeVarint(bytes, position, keyLength)
    position = copyBytes(bytes, position, source, keyStart, keyEnd)
    position = writeVarint(bytes, position, valueLength)
    if (valueStart >= 0) position = copyBytes(bytes, position, source, valueStart, valueEnd)
    bytes[position++] = 0 // no headers
    this.#accept(position, timestamp)
  }

  /** Makes the batch an idempotent producer's. Holds until `reset`. */
  setProducer(producer: ProducerFields): void {
    const { producerId, producerEpoch, baseSequence } = producer
    const isNone = producerId === none
    checkInteger('producerId', producerId, isNone ? none : 0, Number.MAX_SAFE_INTEGER)
    checkInteger('producerEpoch', producerEpoch, isNone ? none : 0, isNone ? none : 0x7fff)
    checkInteger('baseSequence', baseSequence, isNone ? none : 0, isNone ? none : maxSequence)
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#baseSequence = baseSequence
  }

  /** Sets or clears the transactional bit. Holds until `reset`. */
  setTransactional(isTransactional: boolean): void {
    this.#isTransactional = isTransactional
  }

  /**
   * Completes the batch: header, compression, CRC.
   *
   * @returns  the whole batch: a view of the builder's own buffer, valid until the next `add`,
   *           `addAll`, `finish` or `reset`. Its bytes may be changed (`assignOffset`).
   * Throws InvalidBatchError when there are no records.
   */
  finish(): Buffer {
    if (this.#recordCount === 0) throw new InvalidBatchError('a batch needs at least one record')
    if (this.#codec === 'none') return this.#seal(this.#bytes, this.#position)
    const records = this.#bytes.subarray(batchHeaderSize, this.#position)
    const packed = compress(this.#codec, records, this.#level)
    const size = batchHeaderSize + packed.length
    if (size > maxBatchSize) throw tooLarge(size)
    if (size > this.#packed.length) this.#packed = Buffer.allocUnsafeSlow(size + (size >>> 2))
    this.#packed.set(packed, batchHeaderSize)
    return this.#seal(this.#packed, size)
  }

  #seal(bytes: Buffer, size: number): Buffer {
    const transactional = this.#isTransactional ? transactionalBit : 0
    writeInt64(bytes, baseOffsetAt, 0)
    writeInt32(bytes, batchLengthAt, size - batchOverhead)
    writeInt32(bytes, leaderEpochAt, none)
    bytes[magicAt] = currentMagic
    writeInt16(bytes, attributesAt, codecIdOf(this.#codec) | transactional)
    writeInt32(bytes, lastOffsetDeltaAt, this.#recordCount - 1)
    writeInt64(bytes, baseTimestampAt, this.#baseTimestamp)
    writeInt64(bytes, maxTimestampAt, this.#maxTimestamp)
    writeInt64(bytes, producerIdAt, this.#producerId)
    writeInt16(bytes, producerEpochAt, this.#producerEpoch)
    writeInt32(bytes, baseSequenceAt, this.#baseSequence)
    writeInt32(bytes, recordCountAt, this.#recordCount)
    sealBatch(bytes, 0)
    return bytes.subarray(0, size)
  }

  /** Forgets records, producer and transactional bit; keeps the memory for the next batch. */
  reset(): void {
    this.#position = batchHeaderSize
    this.#recordCount = 0
    this.#baseTimestamp = none
    this.#maxTimestamp = none
    this.#producerId = none
    this.#producerEpoch = none
    this.#baseSequence = none
    this.#isTransactional = false
    if (this.#bytes.length > retainedBytes) this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
    if (this.#packed.length > retainedBytes) this.#packed = noBytes
  }

  #addValue(value: Uint8Array, timestamp: number): void {
    this.#reserve(value.length)
    this.#single[0] = value
    const added = this.#addValues(this.#single, 0, timestamp)
    this.#single[0] = noBytes
    assert(added === 1, 'there is room for what was reserved')
  }

  /**
   * The common case, kept short: values of bytes, no keys, no headers.
   *
   * Appends the values of bytes from `records[from]` on, as far as the buffer has room for them, with
   * all that is the same for each held outside of the loop.
   *
   * @returns  index of the first record that is not in: one of another kind, one that makes the buffer
   *           grow, or the end.
   */
  #addValues(records: readonly RecordInput[], from: number, timestamp: number): number {
    if (!(records[from] instanceof Uint8Array)) return from
    const delta = this.#deltaOf(timestamp)
    const bytes = this.#bytes
    const limit = bytes.length - maxRecordOverhead
    const fixedSize = 3 + varlongSize(delta) // attributes, null key, no headers
    const firstOffsetDelta = this.#recordCount - from
    let position = this.#position
    let index = from
    for (; index < records.length; index++) {
      const value = records[index]!
      if (!(value instanceof Uint8Array) || position + value.length > limit) break
      const { length } = value
      const offsetDelta = firstOffsetDelta + index
      const bodySize = fixedSize + varintSize(offsetDelta) + varintSize(length) + length
      position = writeVarint(bytes, position, bodySize)
      bytes[position++] = 0 // attributes
      position = writeVarlong(bytes, position, delta)
      position = writeVarint(bytes, position, offsetDelta)
      bytes[position++] = 1 // null key: the varint of −1
      position = writeVarint(bytes, position, length)
      bytes.set(value, position)
      position += length
      bytes[position++] = 0 // no headers
    }
    if (index === from) return from
    this.#accept(position, timestamp)
    this.#recordCount += index - from - 1
    return index
  }

  #addObject(record: RecordFields, nowMs: number): void {
    if (typeof record !== 'object' || record === null) {
      throw new InvalidOptionError({ option: 'record', value: record, expected: recordShape })
    }
    const { key = null, value, headers, timestamp = nowMs } = record
    if (value === undefined) {
      this.#addForeignBytes(record, nowMs)
      return
    }
    if (key !== null) checkField('record.key', key)
    checkField('record.value', value)
    const flat = headers === undefined ? undefined : flattenHeaders(headers)
    this.#addFields(key, value, flat, timestamp)
  }

  /** A Uint8Array of another realm (a vm context, a test environment) is one all the same. */
  #addForeignBytes(record: unknown, nowMs: number): void {
    if (!types.isUint8Array(record)) {
      throw new InvalidOptionError({
        option: 'record.value',
        value: undefined,
        expected: fieldShape,
      })
    }
    this.#addValue(new Uint8Array(record.buffer, record.byteOffset, record.length), nowMs)
  }

  /** `headers` holds key, value, key, value, … */
  #addFields(
    key: RecordBytes | null,
    value: RecordBytes | null,
    headers: readonly (RecordBytes | null)[] | undefined,
    timestamp: number,
  ): void {
    const delta = this.#deltaOf(timestamp)
    const offsetDelta = this.#recordCount
    const keyLength = byteLengthOf(key)
    const valueLength = byteLengthOf(value)
    const bodySize =
      1 +
      varlongSize(delta) +
      varintSize(offsetDelta) +
      fieldSize(keyLength) +
      fieldSize(valueLength) +
      (headers === undefined ? 1 : headersSize(headers))
    const bytes = this.#reserve(bodySize)
    let position = writeVarint(bytes, this.#position, bodySize)
    bytes[position++] = 0 // attributes
    position = writeVarlong(bytes, position, delta)
    position = writeVarint(bytes, position, offsetDelta)
    position = writeField(bytes, position, key, keyLength)
    position = writeField(bytes, position, value, valueLength)
    if (headers === undefined) bytes[position++] = 0
    else position = writeHeaders(bytes, position, headers)
    this.#accept(position, timestamp)
  }

  /** Distance of `timestamp` from the batch's first one; refuses what is no timestamp. */
  #deltaOf(timestamp: number): number {
    if (!Number.isSafeInteger(timestamp) || timestamp < none) {
      throw new InvalidOptionError({
        option: 'record.timestamp',
        value: timestamp,
        expected: 'ms since the epoch, an integer from 0 to 2^53 − 1, or −1 for none',
      })
    }
    const delta = this.#recordCount === 0 ? 0 : timestamp - this.#baseTimestamp
    if (delta <= Number.MAX_SAFE_INTEGER) return delta
    throw new InvalidOptionError({
      option: 'record.timestamp',
      value: timestamp,
      expected: 'a time less than 2^53 ms after the first of its batch',
    })
  }

  /** Room for a record whose body has `bodySize` bytes. */
  #reserve(bodySize: number): Buffer {
    const needed = this.#position + bodySize + maxRecordOverhead
    return needed <= this.#bytes.length ? this.#bytes : this.#grow(needed)
  }

  #grow(needed: number): Buffer {
    if (needed > maxBatchSize) throw tooLarge(needed)
    const capacity = Math.min(maxBatchSize, Math.max(needed, this.#bytes.length * 2))
    const grown = Buffer.allocUnsafeSlow(capacity)
    grown.set(this.#bytes.subarray(0, this.#position))
    this.#bytes = grown
    return grown
  }

  #accept(position: number, timestamp: number): void {
    if (this.#recordCount === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    this.#recordCount++
    this.#position = position
  }
}

const recordShape = 'a string, a Uint8Array or an object with a value'

function tooLarge(sizeBytes: number): BatchTooLargeError {
  return new BatchTooLargeError({ sizeBytes, limitBytes: maxBatchSize, limit: 'message' })
}

function checkInteger(option: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  const expected = min === max ? `${min}` : `an integer from ${min} to ${max}`
  throw new InvalidOptionError({ option, value, expected })
}

function checkField(option: string, value: unknown): void {
  if (typeof value === 'string' || value instanceof Uint8Array || value === null) return
  if (types.isUint8Array(value)) return
  throw new InvalidOptionError({ option, value, expected: fieldShape })
}
