import { CorruptBatchError, TimestampError, UnsupportedMagicError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { scanRecords } from '../platform/record-scan.ts'
import { batchHeaderSize, currentMagic } from './batch-format.ts'
import { BatchView } from './batch-view.ts'
import { decompress, defaultMaxDecompressedBytes } from './compression.ts'
import type { LogRecord, RecordHeader } from './record.ts'
import { VarintReader } from './varint.ts'

const noBytes = Buffer.alloc(0)
/** Fewer are walked in the time that the call into the binding takes. */
const minScannedRecords = 8
const noHeaders: readonly RecordHeader[] = Object.freeze([])

/**
 * Walks the records of one batch after the other. A compressed batch is decompressed once, when
 * opened; beyond that nothing is allocated until `key()`, `value()`, `headers()` or `record()`
 * ask for it.
 *
 *     cursor.open(bytes, position)
 *     while (cursor.next()) use(cursor.source, cursor.valueStart, cursor.valueEnd)
 *
 * Works on every batch of the format: compacted, empty and control batches too. It does not check
 * the CRC. What `source` holds, and each Buffer handed out, is a view of the caller's bytes (or of
 * the decompressed copy, which stays alive for as long as a view of it does).
 *
 * Errors: CorruptBatchError names the record whose structure is broken (kafka-storage rules: a
 * record uses exactly its length, counts and lengths are possible, offsets stay inside the batch,
 * nothing is left over); TimestampError a timestamp beyond 2^53 − 1; BatchTooLargeError a batch
 * that decompresses to more than the bound; UnsupportedCodecError, UnsupportedMagicError. After
 * an error the cursor must be opened again.
 */
export class RecordCursor {
  /** The batch being walked. */
  readonly batch: BatchView = new BatchView()
  /** Place of the current record in the batch, 0 first; −1 before the first `next`. */
  index = -1
  offset: Offset = 0 as Offset
  /** Distance from the batch's base offset. */
  offsetDelta = 0
  /** ms since the epoch, −1 for none. The append time if the batch carries that. */
  timestamp = -1
  /** Holds key, value and headers of the current record at the positions below. */
  source: Buffer = noBytes
  /** Start inclusive, end exclusive; both −1 for null. */
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1
  headerCount = 0

  /** Position after the offset delta: from here to `recordEnd` the bytes depend on no batch. */
  bodyStart = 0
  recordEnd = 0

  readonly #maxDecompressedBytes: number
  readonly #reader = new VarintReader()
  #recordCount = 0
  #recordsEnd = 0
  #baseOffset = 0
  #baseTimestamp = 0
  #lastOffsetDelta = 0
  #hasAppendTime = false
  #headersStart = 0

  /** @param options.maxDecompressedBytes  bound on one decompressed batch, default 128 MiB. */
  constructor(options: { readonly maxDecompressedBytes?: number } = {}) {
    this.#maxDecompressedBytes = options.maxDecompressedBytes ?? defaultMaxDecompressedBytes
  }

  /** Begins at the batch at `position`, which must lie in `bytes` as a whole. */
  open(bytes: Buffer, position: number): this {
    const batch = this.batch.at(bytes, position)
    const appendTime = batch.timestampType === 'append' ? batch.maxTimestamp : undefined
    return this.openAs(bytes, position, appendTime)
  }

  /**
   * As `open`, but the caller says which timestamps count, whatever the batch's type bit says:
   * `appendTime` for every record, or the records' own when it is undefined.
   */
  openAs(bytes: Buffer, position: number, appendTime: number | undefined): this {
    const batch = this.batch.at(bytes, position)
    this.index = -1
    this.#recordCount = 0
    if (batch.magic !== currentMagic) throw new UnsupportedMagicError(batch.magic)
    const { sizeBytes, recordCount } = batch
    if (sizeBytes < batchHeaderSize || position + sizeBytes > bytes.length) {
      throw new CorruptBatchError(
        `batch at byte ${position} declares ${sizeBytes} bytes: ${bytes.length - position} are there`,
      )
    }
    if (recordCount < 0) throw new CorruptBatchError(`batch declares ${recordCount} records`)
    this.#baseOffset = batch.baseOffset
    this.#lastOffsetDelta = batch.lastOffsetDelta
    if (this.#baseOffset < 0) {
      throw new CorruptBatchError(`batch has negative base offset ${this.#baseOffset}`)
    }
    this.#hasAppendTime = appendTime !== undefined
    this.#baseTimestamp = appendTime ?? batch.baseTimestamp
    this.#openRecords(bytes, position + batchHeaderSize, position + sizeBytes)
    this.#recordCount = recordCount
    if (recordCount === 0) this.#checkNothingLeft()
    return this
  }

  #openRecords(bytes: Buffer, start: number, end: number): void {
    const codec = this.batch.codec
    if (codec === 'none') {
      this.source = bytes
      this.#recordsEnd = end
      this.#reader.at(bytes, start, end)
      return
    }
    const plain = decompress(codec, bytes.subarray(start, end), this.#maxDecompressedBytes)
    this.source = plain
    this.#recordsEnd = plain.length
    this.#reader.at(plain, 0, plain.length)
  }

  /**
   * Before the first `next`: whether all records are regular, with the offset deltas 0, 1, 2, …;
   * `scanned` then tells what a walk over them would find. False: walk them.
   */
  scan(): boolean {
    const count = this.#recordCount
    if (count < minScannedRecords) return false
    return scanRecords(this.source, this.#reader.position, this.#recordsEnd, count)
  }

  /**
   * As `next`, where the next record is not the batch's last and as nearly all are. Else false, nothing
   * has moved, and `next` tells what there is.
   */
  nextRegular(): boolean {
    const index = this.index + 1
    if (index >= this.#recordCount - 1 || !this.#readRegular()) return false
    this.index = index
    return true
  }

  /** Moves to the next record. False after the last one. */
  next(): boolean {
    if (this.nextRegular()) return true
    const index = this.index + 1
    if (index >= this.#recordCount) return false
    this.index = index
    try {
      this.#readRecord()
    } catch (error) {
      this.#recordCount = 0
      throw nameRecord(error, index)
    }
    return true
  }

  /**
   * The record at the reader, if it is as nearly all are: integers of one or two bytes, no headers,
   * whole. Else false, nothing has moved, and `#readRecord` decides what it is.
   *
   * The bounds are looked at once: every step goes forward, so that ending exactly at the record's end
   * means that none went over it.
   */
  #readRegular(): boolean {
    const reader = this.#reader
    const { bytes, position } = reader
    const length = shortVarint(bytes, position)
    let at = position + shortVarintSize(bytes, position)
    const end = at + length
    if (length < 1 || end > this.#recordsEnd) return false
    at++ // the attributes byte has no meaning yet
    const timestampDelta = shortVarint(bytes, at)
    at += shortVarintSize(bytes, at)
    const offsetDelta = shortVarint(bytes, at)
    at += shortVarintSize(bytes, at)
    const bodyStart = at
    const keyLength = shortVarint(bytes, at)
    const keyStart = at + shortVarintSize(bytes, at)
    at = keyLength > 0 ? keyStart + keyLength : keyStart
    const valueLength = shortVarint(bytes, at)
    const valueStart = at + shortVarintSize(bytes, at)
    at = valueLength > 0 ? valueStart + valueLength : valueStart
    if (bytes[at] !== 0 || at + 1 !== end) return false
    if (timestampDelta === notShort || keyLength < -1 || valueLength < -1) return false
    if (offsetDelta < 0 || offsetDelta > this.#lastOffsetDelta) return false
    const timestamp = this.#baseTimestamp + (this.#hasAppendTime ? 0 : timestampDelta)
    if (!Number.isSafeInteger(timestamp)) return false
    this.offsetDelta = offsetDelta
    this.offset = (this.#baseOffset + offsetDelta) as Offset
    this.timestamp = timestamp
    this.bodyStart = bodyStart
    this.recordEnd = end
    this.keyStart = keyLength < 0 ? -1 : keyStart
    this.keyEnd = keyLength < 0 ? -1 : keyStart + keyLength
    this.valueStart = valueLength < 0 ? -1 : valueStart
    this.valueEnd = valueLength < 0 ? -1 : at
    this.headerCount = 0
    this.#headersStart = end
    reader.position = end
    return true
  }

  #readRecord(): void {
    const reader = this.#reader
    const length = reader.readVarint()
    const start = reader.position
    if (length < 1 || length > this.#recordsEnd - start) {
      throw new CorruptBatchError(
        `declares ${length} bytes, ${this.#recordsEnd - start} are left in the batch`,
      )
    }
    const end = start + length
    reader.end = end
    reader.position = start + 1 // the attributes byte has no meaning yet
    const timestampDelta = reader.readVarlongOrNaN()
    const offsetDelta = reader.readVarint()
    if (offsetDelta < 0 || offsetDelta > this.#lastOffsetDelta) {
      throw new CorruptBatchError(
        `has offset delta ${offsetDelta}, outside [0, ${this.#lastOffsetDelta}]`,
      )
    }
    this.offsetDelta = offsetDelta
    this.offset = (this.#baseOffset + offsetDelta) as Offset
    this.timestamp = this.#hasAppendTime ? this.#baseTimestamp : this.#addTimestamps(timestampDelta)
    this.bodyStart = reader.position
    this.recordEnd = end

    const keyLength = reader.readVarint()
    if (keyLength < 0) {
      this.keyStart = -1
      this.keyEnd = -1
    } else {
      this.keyStart = reader.position
      this.keyEnd = skipBytes(reader, keyLength, 'key')
    }
    const valueLength = reader.readVarint()
    if (valueLength < 0) {
      this.valueStart = -1
      this.valueEnd = -1
    } else {
      this.valueStart = reader.position
      this.valueEnd = skipBytes(reader, valueLength, 'value')
    }
    const headerCount = reader.readVarint()
    this.headerCount = headerCount
    this.#headersStart = reader.position
    if (headerCount !== 0) skipHeaders(reader, headerCount)
    if (reader.position !== end) {
      throw new CorruptBatchError(`uses ${reader.position - start} of its ${length} bytes`)
    }
    reader.end = this.#recordsEnd
    if (this.index === this.#recordCount - 1) this.#checkNothingLeft()
  }

  #addTimestamps(delta: number): number {
    const timestamp = this.#baseTimestamp + delta
    if (Number.isSafeInteger(timestamp)) return timestamp
    throw new TimestampError(
      `record ${this.index} has a timestamp beyond 2^53 − 1, which this engine refuses`,
      { recordIndex: this.index },
    )
  }

  #checkNothingLeft(): void {
    const left = this.#recordsEnd - this.#reader.position
    if (left !== 0) {
      throw new CorruptBatchError(`${left} bytes follow the last record of the batch`)
    }
  }

  /** The key, a view; null when there is none. */
  key(): Buffer | null {
    return this.keyStart < 0 ? null : this.source.subarray(this.keyStart, this.keyEnd)
  }

  /** The value, a view; null for a tombstone. */
  value(): Buffer | null {
    return this.valueStart < 0 ? null : this.source.subarray(this.valueStart, this.valueEnd)
  }

  /** The headers in order, values as views. Keys that are not UTF-8 get U+FFFD for the bad bytes. */
  headers(): readonly RecordHeader[] {
    if (this.headerCount === 0) return noHeaders
    const source = this.source
    const reader = new VarintReader().at(source, this.#headersStart, this.recordEnd)
    const headers: RecordHeader[] = []
    for (let left = this.headerCount; left > 0; left--) {
      const keyLength = reader.readVarint()
      const keyStart = reader.position
      reader.position += keyLength
      const key = source.toString('utf8', keyStart, reader.position)
      const valueLength = reader.readVarint()
      if (valueLength < 0) {
        headers.push({ key, value: null })
        continue
      }
      const valueStart = reader.position
      reader.position += valueLength
      headers.push({ key, value: source.subarray(valueStart, reader.position) })
    }
    return headers
  }

  /** The whole record; its buffers are views (see the class). */
  record(): LogRecord {
    return {
      offset: this.offset,
      timestamp: this.timestamp,
      key: this.key(),
      value: this.value(),
      headers: this.headers(),
    }
  }
}

/** No integer of one or two bytes. */
const notShort = -0x8000

function shortVarint(bytes: Uint8Array, at: number): number {
  const low = bytes[at]!
  if (low < 0x80) return (low >>> 1) ^ -(low & 1)
  const high = bytes[at + 1]!
  if (high >= 0x80) return notShort
  const zigzag = (low & 0x7f) | (high << 7)
  return (zigzag >>> 1) ^ -(zigzag & 1)
}

function shortVarintSize(bytes: Uint8Array, at: number): number {
  return bytes[at]! < 0x80 ? 1 : 2
}

/** @returns position after the bytes skipped. */
function skipBytes(reader: VarintReader, length: number, what: string): number {
  const left = reader.end - reader.position
  if (length > left) {
    throw new CorruptBatchError(`declares a ${what} of ${length} bytes, ${left} are left in it`)
  }
  reader.position += length
  return reader.position
}

function skipHeaders(reader: VarintReader, headerCount: number): void {
  const left = reader.end - reader.position
  if (headerCount < 0 || headerCount > left) {
    throw new CorruptBatchError(`declares ${headerCount} headers, ${left} bytes are left in it`)
  }
  for (let header = 0; header < headerCount; header++) {
    const keyLength = reader.readVarint()
    if (keyLength < 0) throw new CorruptBatchError(`has header ${header} without a key`)
    skipBytes(reader, keyLength, 'header key')
    const valueLength = reader.readVarint()
    if (valueLength > 0) skipBytes(reader, valueLength, 'header value')
  }
}

function nameRecord(error: unknown, index: number): unknown {
  if (!(error instanceof CorruptBatchError)) return error
  return new CorruptBatchError(`record ${index}: ${error.message}`, { cause: error })
}
