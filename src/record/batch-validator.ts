/**
 * What a leader checks before it appends a client's batch: exactly one batch, its CRC, its header
 * fields, and every record in it. Records are walked in place (a compressed batch is decompressed
 * for it), nothing is allocated per record.
 *
 * A batch that passes is either kept: its bytes go to the file as they came, after base offset
 * and leader epoch are written (`assignOffset`); or must be rebuilt (`rebuildBatch`): the topic
 * wants another codec, or the offsets inside a compressed batch are not 0, 1, 2, ….
 *
 * Order of the checks and their errors follow Kafka's log validator, with these differences:
 * offsets inside uncompressed batches are checked too; broken compressed data is corruption
 * rather than an unknown error; the append-time bit on a topic that keeps the producers' times is
 * cleared and the records' own times count.
 */
import {
  BatchTooLargeError,
  CorruptBatchError,
  InvalidBatchError,
  type RecordFault,
  TimestampError,
  UnsupportedCodecError,
  UnsupportedMagicError,
} from '../base/errors.ts'
import { scanned } from '../platform/record-scan.ts'
import {
  baseOffsetAt,
  baseTimestampAt,
  magicAt,
  maxTimestampAt,
  none,
  producerIdAt,
} from './batch-format.ts'
import {
  BatchView,
  explainImpossibleBatch,
  measureBatch,
  stampAppendTime,
  stampCreateTime,
} from './batch-view.ts'
import type { CodecName } from './codec-name.ts'
import { readInt64OrNaN } from './int64.ts'
import { RecordCursor } from './record-cursor.ts'

export type ProduceRules = {
  /** Largest whole batch, in bytes, as received. */
  readonly maxBatchBytes: number
  /** Largest records section, in bytes, after decompression. */
  readonly maxDecompressedBytes: number
  /** Compacted topics refuse records without a key. */
  readonly requiresKeys: boolean
  /** `append`: every record takes the time of the append. */
  readonly timestampType: 'create' | 'append'
  /** How far a record's time may lie before and after `nowMs`; with `create` only. */
  readonly beforeMaxMs: number
  readonly afterMaxMs: number
  /** ms since the epoch. */
  readonly nowMs: number
  /** Codec of stored batches; `producer` keeps what came. */
  readonly codec: 'producer' | CodecName
  /** False for requests too old to know zstd. */
  readonly allowZstd: boolean
}

/** A valid batch, as it will be stored (offset and leader epoch aside). */
export type ProducedBatch = {
  /** `keep`: the bytes are final. `rebuild`: call `rebuildBatch` before storing. */
  readonly action: 'keep' | 'rebuild'
  /** Whole size in bytes as received. */
  readonly sizeBytes: number
  readonly recordCount: number
  readonly lastOffsetDelta: number
  /** Largest record time, or the append time; −1 when no record has one. */
  readonly maxTimestamp: number
  readonly timestampType: 'create' | 'append'
  /** The codec it came in. */
  readonly sourceCodec: CodecName
  /** The codec it is to be stored in. */
  readonly targetCodec: CodecName
  /** −1 when the producer is not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly isTransactional: boolean
}

/**
 * Checks the client's batch in `bytes[start, end)` against `rules`.
 *
 * On success with action `keep` the bytes were finished in place: wrong maxTimestamp corrected,
 * time of the append stamped, CRC computed anew when either changed. On failure they are as they
 * were.
 *
 * Errors: InvalidBatchError (not exactly one batch; counts, offsets, control bit, sequence, keys,
 * record structure: `faults` says where), CorruptBatchError (size, CRC, compressed data),
 * UnsupportedMagicError, UnsupportedCodecError, BatchTooLargeError, TimestampError.
 */
export function validateProduced(
  bytes: Buffer,
  start: number,
  end: number,
  rules: ProduceRules,
): ProducedBatch {
  const sizeBytes = checkOneBatch(bytes, start, end, rules.maxBatchBytes)
  const view = new BatchView().at(bytes, start)
  if (!view.hasValidCrc()) {
    throw new CorruptBatchError(
      `batch of ${sizeBytes} bytes fails its checksum: stored 0x${view.crc.toString(16)}`,
    )
  }
  const sourceCodec = checkCodec(view, rules)
  checkHeader(view)
  checkTimestampType(view, rules)
  const walk = walkRecords(view, rules, sourceCodec)

  const targetCodec = rules.codec === 'producer' ? sourceCodec : rules.codec
  const isKept = sourceCodec === targetCodec && walk.hasDenseOffsets
  const maxTimestamp = rules.timestampType === 'append' ? rules.nowMs : walk.maxTimestamp
  if (isKept) finishInPlace(view, rules.timestampType, maxTimestamp)
  return {
    action: isKept ? 'keep' : 'rebuild',
    sizeBytes,
    recordCount: view.recordCount,
    lastOffsetDelta: view.lastOffsetDelta,
    maxTimestamp,
    timestampType: rules.timestampType,
    sourceCodec,
    targetCodec,
    producerId: view.producerId,
    producerEpoch: view.producerEpoch,
    baseSequence: view.baseSequence,
    lastSequence: view.lastSequence,
    isTransactional: view.isTransactional,
  }
}

/** @returns size of the one batch that fills `[start, end)`. */
function checkOneBatch(bytes: Buffer, start: number, end: number, maxBatchBytes: number): number {
  if (end <= start) throw new InvalidBatchError('no batch: expected exactly one')
  const given = end - start
  const size = measureBatch(bytes, start, end)
  if (size < 0) {
    if (explainImpossibleBatch(bytes, start, end) === 'impossible-length') {
      throw new CorruptBatchError('batch declares a length that no batch can have')
    }
    throw new UnsupportedMagicError(bytes.readInt8(start + magicAt))
  }
  if (size === 0) {
    throw new CorruptBatchError(`batch is cut off: only ${given} bytes of it are there`)
  }
  if (size !== given) {
    throw new InvalidBatchError(
      `${given - size} bytes follow the first batch of ${size} bytes: expected exactly one batch`,
    )
  }
  if (size > maxBatchBytes) {
    throw new BatchTooLargeError({ sizeBytes: size, limitBytes: maxBatchBytes, limit: 'message' })
  }
  return size
}

function checkCodec(view: BatchView, rules: ProduceRules): CodecName {
  const codec = view.codec
  if (codec === 'zstd' && !rules.allowZstd) {
    throw new UnsupportedCodecError('codec zstd may not be used with this version of the request')
  }
  return codec
}

function checkHeader(view: BatchView): void {
  // Read raw: the getters would call an absurd value corruption, but the checksum was right.
  const baseOffset = readInt64OrNaN(view.bytes, view.position + baseOffsetAt)
  const producerId = readInt64OrNaN(view.bytes, view.position + producerIdAt)
  const { lastOffsetDelta, recordCount, baseSequence, producerEpoch } = view
  if (baseOffset !== 0) {
    throw new InvalidBatchError('batch has a base offset other than 0: the log assigns offsets')
  }
  if (lastOffsetDelta < 0) {
    throw new InvalidBatchError(`batch has negative last offset delta ${lastOffsetDelta}`)
  }
  if (recordCount !== lastOffsetDelta + 1) {
    throw new InvalidBatchError(
      `batch declares ${recordCount} records but last offset delta ${lastOffsetDelta}`,
    )
  }
  if (view.isControl) throw new InvalidBatchError('clients may not write control batches')
  if (Number.isNaN(producerId)) {
    throw new InvalidBatchError('producer id is beyond 2^53 − 1, which this engine refuses')
  }
  if (producerId < -1) {
    throw new InvalidBatchError(`producer id is ${producerId}: expected −1 or more`)
  }
  if (producerId >= 0 && (baseSequence < 0 || producerEpoch < 0)) {
    throw new InvalidBatchError(
      `producer ${producerId} wrote sequence ${baseSequence}, epoch ${producerEpoch}: both are ≥ 0`,
    )
  }
}

function checkTimestampType(view: BatchView, rules: ProduceRules): void {
  if (rules.timestampType === 'create') {
    // Every record counts from here. The cursor would call it corruption.
    if (Number.isNaN(readInt64OrNaN(view.bytes, view.position + baseTimestampAt))) {
      throw new TimestampError('base timestamp is beyond 2^53 − 1 ms', { recordIndex: 0 })
    }
  } else if (view.timestampType === 'append') {
    throw new TimestampError('batch claims an append time, which only the log may set', {
      recordIndex: 0,
    })
  }
}

/** Records at fault that an error names. */
const maxFaults = 10_000

type Walk = { readonly hasDenseOffsets: boolean; readonly maxTimestamp: number }

function walkRecords(view: BatchView, rules: ProduceRules, codec: CodecName): Walk {
  const cursor = new RecordCursor({ maxDecompressedBytes: rules.maxDecompressedBytes })
  const isCreate = rules.timestampType === 'create'
  cursor.openAs(view.bytes, view.position, isCreate ? undefined : rules.nowMs)
  const known = cursor.scan() ? walkOfScan(view, rules) : undefined
  if (known !== undefined) return known
  const faults = new RecordFaults()
  let maxTimestamp: number = none
  let hasDenseOffsets = true
  try {
    // The whole batch is walked even when a record failed: the client is told of every one, and a
    // timestamp failure anywhere decides which error it gets.
    while (cursor.next()) {
      const { index, timestamp } = cursor
      if (cursor.offsetDelta !== index) {
        hasDenseOffsets = false
        if (codec === 'none') faults.add(index, `record ${index} has another offset delta`)
      }
      if (rules.requiresKeys && cursor.keyStart < 0) {
        faults.add(index, `record ${index} has no key, which a compacted log needs`)
      }
      if (isCreate && !isTimestampAllowed(timestamp, view, rules)) {
        faults.addTimestamp(index, explainTimestamp(index, timestamp, rules))
      }
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
    }
  } catch (error) {
    if (!(error instanceof CorruptBatchError)) throw error
    faults.add(cursor.index, error.message, error)
  }
  faults.throwIfAny()
  return { hasDenseOffsets, maxTimestamp }
}

/** What a walk over the records scanned last would find; undefined when it may find a fault. */
function walkOfScan(view: BatchView, rules: ProduceRules): Walk | undefined {
  if (rules.requiresKeys && scanned.nullKeys > 0) return undefined
  if (rules.timestampType === 'append') return { hasDenseOffsets: true, maxTimestamp: rules.nowMs }
  const { baseTimestamp } = view
  const earliest = baseTimestamp + scanned.minTimestampDelta
  const latest = baseTimestamp + scanned.maxTimestampDelta
  if (!Number.isSafeInteger(earliest) || !Number.isSafeInteger(latest)) return undefined
  // Between two allowed times every one is allowed, unless one of them stands for none.
  const isOne = earliest === latest
  if (earliest < 0 && !isOne) return undefined
  if (!isTimestampAllowed(earliest, view, rules)) return undefined
  if (!isTimestampAllowed(latest, view, rules)) return undefined
  return { hasDenseOffsets: true, maxTimestamp: latest }
}

/** The records of one batch that are at fault; one fault a record, the first found. */
class RecordFaults {
  #faults: RecordFault[] | undefined
  #count = 0
  #cause: unknown
  #timestamp: RecordFault | undefined

  add(recordIndex: number, reason: string, cause?: unknown): void {
    this.#faults ??= []
    if (this.#faults.at(-1)?.recordIndex === recordIndex) return
    this.#count++
    this.#cause ??= cause
    if (this.#faults.length < maxFaults) this.#faults.push({ recordIndex, reason })
  }

  addTimestamp(recordIndex: number, reason: string): void {
    this.#timestamp ??= { recordIndex, reason }
    this.add(recordIndex, reason)
  }

  throwIfAny(): void {
    const faults = this.#faults
    if (faults === undefined) return
    const others = this.#count > 1 ? `, one of ${this.#count} records at fault` : ''
    if (this.#timestamp !== undefined) {
      const { recordIndex, reason } = this.#timestamp
      throw new TimestampError(`${reason}${others}`, { recordIndex, faults })
    }
    throw new InvalidBatchError(`${faults[0]!.reason}${others}`, { faults }, { cause: this.#cause })
  }
}

function isTimestampAllowed(timestamp: number, view: BatchView, rules: ProduceRules): boolean {
  if (timestamp === none && view.timestampType === 'create') return true
  const { nowMs, beforeMaxMs, afterMaxMs } = rules
  return timestamp >= 0 && nowMs - timestamp <= beforeMaxMs && timestamp - nowMs <= afterMaxMs
}

function explainTimestamp(recordIndex: number, timestamp: number, rules: ProduceRules): string {
  const { nowMs, beforeMaxMs, afterMaxMs } = rules
  return timestamp < 0
    ? `record ${recordIndex} has timestamp ${timestamp}, which is none`
    : `record ${recordIndex} has timestamp ${timestamp}: expected ${nowMs} − ${beforeMaxMs} ms to + ${afterMaxMs} ms`
}

function finishInPlace(
  view: BatchView,
  timestampType: 'create' | 'append',
  maxTimestamp: number,
): void {
  const { bytes, position } = view
  if (timestampType === 'append') {
    stampAppendTime(bytes, position, maxTimestamp)
    return
  }
  const stored = readInt64OrNaN(bytes, position + maxTimestampAt)
  if (stored !== maxTimestamp || view.timestampType !== 'create') {
    stampCreateTime(bytes, position, maxTimestamp)
  }
}
