/**
 * Walks the records of one log in offset order, loading up to 256 KiB at a time: small enough to
 * stay in the cache between loading and walking.
 *
 * The memory of a chunk is used again for the next one, unless records of it were handed out. Every
 * batch is checked against its CRC, and its offsets against the batch before it, before any of its
 * records is handed out. Control batches (transaction markers) are skipped.
 */
import {
  BatchTooLargeError,
  CorruptBatchError,
  CorruptionError,
  type LogError,
  UnsupportedCodecError,
} from '../base/errors.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { kibibyte } from '../base/units.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import { BatchView, measureBatch } from '../record/batch-view.ts'
import type { LogRecord, RecordHeader } from '../record/record.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import type { Segment } from '../segment/segment.ts'
import { locateBatch } from './log-search.ts'
import { assertInRange, type LogSource } from './log-source.ts'

export type CursorOptions = {
  /** Check each batch's CRC before handing out its records. */
  readonly verify: boolean
  readonly maxDecompressedBytes: number
}

/** A first chunk is small, for those who want a few records; the next ones grow to the full size. */
const firstChunkBytes = 16 * kibibyte
const chunkBytes = 256 * kibibyte

export class LogCursor {
  readonly #source: LogSource
  readonly #options: CursorOptions
  readonly #records: RecordCursor
  readonly #batch: BatchView = new BatchView()
  #next: Offset
  #isInBatch = false
  /** The current record was read but lies at or above the bound of that call. */
  #isHeld = false
  /** The next batch was searched for: it may begin below the offset wanted. */
  #isSought = false
  #segment: Segment | undefined
  #generation = -1
  /** High watermark when it was last looked at. */
  #knownEnd = 0 as Offset
  #chunk: Buffer = Buffer.alloc(0)
  /** Holds the chunk; filled again for the next one unless slices of it were handed out. */
  #buffer: Buffer = Buffer.alloc(0)
  #isShared = false
  #chunkPosition = 0
  #at = 0
  #chunkCount = 0

  /** Made by `Log.cursor`. `from` lies in `[logStart, logEnd]`. @internal */
  constructor(source: LogSource, from: Offset, options: CursorOptions) {
    this.#source = source
    this.#options = options
    this.#next = from
    this.#records = new RecordCursor({ maxDecompressedBytes: options.maxDecompressedBytes })
  }

  /** Offset `next` will look for: one after the current record. */
  get nextOffset(): Offset {
    return this.#next
  }

  /** Chunks loaded so far: tells a caller that must share its thread when to yield. */
  get chunkCount(): number {
    return this.#chunkCount
  }

  get offset(): Offset {
    return this.#records.offset
  }

  /** ms since the epoch, −1 when the record has none. */
  get timestamp(): number {
    return this.#records.timestamp
  }

  /** The bytes that hold key and value, with their bounds: reading without a slice each. */
  get source(): Buffer {
    return this.#records.source
  }
  get keyStart(): number {
    return this.#records.keyStart
  }
  get keyEnd(): number {
    return this.#records.keyEnd
  }
  get valueStart(): number {
    return this.#records.valueStart
  }
  get valueEnd(): number {
    return this.#records.valueEnd
  }

  /** Views of the bytes read; valid for as long as they are held. */
  key(): Buffer | null {
    this.#isShared = true
    return this.#records.key()
  }
  value(): Buffer | null {
    this.#isShared = true
    return this.#records.value()
  }
  headers(): readonly RecordHeader[] {
    this.#isShared = true
    return this.#records.headers()
  }
  record(): LogRecord {
    this.#isShared = true
    return this.#records.record()
  }

  /**
   * Moves to the next record below `upTo` (exclusive; default: the high watermark). False when
   * there is none yet; call again later to go on. Allocates a chunk at most every 256 KiB.
   *
   * @throws OffsetOutOfRangeError  the position was trimmed or truncated away meanwhile.
   * @throws CorruptionError        a stored batch fails its checksum, with file and position.
   */
  next(upTo?: Offset): boolean {
    if (this.#nextAtHand(upTo ?? this.#knownEnd)) return true
    try {
      return this.#advance(upTo ?? this.#readableEnd())
    } catch (error) {
      throw isBatchFault(error)
        ? this.#corruption(error.message, this.#batch.position, error)
        : error
    }
  }

  /**
   * The common case, kept short: the next record of the batch at hand is a regular one below `upTo`.
   * Else false, and a record that was read is held for `#advance` to judge.
   */
  #nextAtHand(upTo: Offset): boolean {
    if (!this.#isInBatch || this.#isHeld || this.#next >= upTo) return false
    const records = this.#records
    if (this.#generation !== this.#source.generation || !records.nextRegular()) return false
    const { offset } = records
    this.#isHeld = offset < this.#next || offset >= upTo
    if (this.#isHeld) return false
    this.#next = (offset + 1) as Offset
    return true
  }

  /** The high watermark; an earlier one while that is enough, for it only rises within a generation. */
  #readableEnd(): Offset {
    const source = this.#source
    if (this.#next >= this.#knownEnd || this.#generation !== source.generation) {
      this.#knownEnd = source.offsets.highWatermark
    }
    return this.#knownEnd
  }

  #advance(upTo: Offset): boolean {
    if (this.#generation !== this.#source.generation) {
      this.#isInBatch = this.#isHeld = false
      // Also when nothing is wanted of it yet: the log may grow past the place with other records.
      assertInRange(this.#source, this.#next)
    }
    for (;;) {
      while (this.#isInBatch && this.#next < upTo) {
        if (!this.#isHeld && !this.#nextInBatch()) break
        const { offset } = this.#records
        this.#isHeld = offset >= this.#next && offset >= upTo
        if (offset < this.#next) continue
        if (this.#isHeld) return false
        this.#next = (this.#records.offset + 1) as Offset
        return true
      }
      if (this.#next >= upTo) return false
      if (!this.#nextBatch(upTo)) return this.#endsBelow(upTo)
    }
  }

  /** There is no next batch. A dense log has one below its end, or bytes of it are damaged. */
  #endsBelow(upTo: Offset): false {
    const { isDense, offsets } = this.#source
    if (isDense && this.#next < upTo && this.#next < offsets.logEnd) {
      throw this.#corruption(`no batch with offset ${this.#next}`, this.#at)
    }
    return false
  }

  #nextInBatch(): boolean {
    if (this.#records.next()) return true
    this.#isInBatch = false
    if (this.#batch.nextOffset > this.#next) this.#next = this.#batch.nextOffset
    return false
  }

  #nextBatch(upTo: Offset): boolean {
    for (;;) {
      const size = measureBatch(this.#chunk, this.#at, this.#chunk.length)
      if (size <= 0 || !this.#isCurrent()) {
        if (size < 0 && this.#isCurrent()) {
          throw this.#corruption('found an impossible batch header', this.#at)
        }
        if (!this.#load()) return false
        continue
      }
      const at = this.#at
      this.#batch.at(this.#chunk, at)
      this.#checkOrder(at)
      if (this.#batch.baseOffset >= upTo) return false
      this.#isSought = false
      this.#at = at + size
      this.#openBatch(at)
      if (this.#isInBatch) return true
    }
  }

  /**
   * The base offset is under no checksum: whether the batch follows what was read before shows if
   * it is the right one. Records are never handed out under another offset, nor passed over.
   */
  #checkOrder(at: number): void {
    const { baseOffset, lastOffset } = this.#batch
    const { isDense } = this.#source
    const isInPlace = this.#isSought
      ? lastOffset >= this.#next && (!isDense || baseOffset <= this.#next)
      : isDense
        ? baseOffset === this.#next
        : baseOffset >= this.#next
    if (isInPlace && baseOffset <= lastOffset && lastOffset < this.#source.offsets.logEnd) return
    throw this.#corruption(
      `found offsets ${baseOffset} to ${lastOffset} where ${this.#next} was expected`,
      at,
    )
  }

  #openBatch(at: number): void {
    if (this.#options.verify && !this.#batch.hasValidCrc()) {
      throw this.#corruption('checksum mismatch of a stored batch', at)
    }
    if (this.#batch.isControl || this.#batch.recordCount === 0) {
      this.#next = this.#batch.nextOffset
      return
    }
    this.#records.open(this.#chunk, at)
    this.#isInBatch = true
  }

  #isCurrent(): boolean {
    return this.#generation === this.#source.generation && this.#segment?.state !== 'closed'
  }

  /** Loads the chunk that begins with the batch at the cursor; false at the end of the log. */
  #load(): boolean {
    this.#source.assertReadable()
    const position = this.#findPosition()
    if (position === undefined) return false
    const segment = this.#segment as Segment
    const available = segment.sizeBytes - position
    if (available === 0) return false
    const preferred = this.#chunkCount < 2 ? firstChunkBytes << (2 * this.#chunkCount) : chunkBytes
    let length = Math.min(available, preferred)
    this.#read(segment, position, length)
    const size = this.#sizeOfFirst()
    if (size > length) {
      // A batch larger than a chunk is loaded whole.
      if (size > available) throw this.#corruption('a stored batch is longer than its segment', 0)
      length = size
      this.#read(segment, position, length)
    }
    return true
  }

  #sizeOfFirst(): number {
    const { length } = this.#chunk
    if (measureBatch(this.#chunk, 0, length) < 0 || length < 12) {
      throw this.#corruption('found an impossible batch header', 0)
    }
    return this.#chunk.readInt32BE(8) + 12
  }

  #read(segment: Segment, position: number, length: number): void {
    if (this.#isShared || this.#buffer.length < length) {
      this.#buffer = Buffer.allocUnsafeSlow(length)
      this.#isShared = false
    }
    this.#chunk = this.#buffer.subarray(0, length)
    segment.readInto(this.#chunk, position)
    this.#chunkPosition = position
    this.#at = 0
    this.#chunkCount++
  }

  /**
   * What the next chunk needs and memory lacks, if anything: who loads it (`file.load`) and releases it
   * before that chunk is due does not wait for the disk then.
   *
   * @internal
   */
  coldAhead(): FileSlice | undefined {
    if (this.#segment === undefined || !this.#isCurrent()) return undefined
    const position = this.#chunkPosition + this.#chunk.length
    if (position < this.#segment.sizeBytes) return this.#segment.coldRange(position, chunkBytes)
    return this.#source.segments.after(this.#segment)?.coldRange(0, chunkBytes)
  }

  /** Goes on where the last chunk ended, or searches when that place is gone. */
  #findPosition(): number | undefined {
    const { segments, offsets, generation } = this.#source
    if (this.#segment !== undefined && this.#isCurrent() && this.#next >= offsets.logStart) {
      const position = this.#chunkPosition + this.#at
      if (position < this.#segment.sizeBytes) return position
      let following = segments.after(this.#segment)
      // A repair may leave a segment empty, of which nothing was whole.
      while (following?.sizeBytes === 0) following = segments.after(following)
      if (following === undefined) return undefined
      this.#segment = following
      return 0
    }
    assertInRange(this.#source, this.#next)
    const found = locateBatch(segments, this.#next)
    if (found === undefined) return undefined
    this.#segment = found.segment
    this.#generation = generation
    this.#isSought = true
    return found.place.position
  }

  /** `at`: where in the chunk the batch at fault begins. */
  #corruption(reason: string, at: number, cause?: unknown): CorruptionError {
    return new CorruptionError(
      {
        path: this.#segment?.path ?? this.#source.name,
        position: (this.#chunkPosition + at) as FilePosition,
        reason,
      },
      cause === undefined ? undefined : { cause },
    )
  }
}

/** Errors of the record floor: below a log they mean that stored bytes are damaged. */
function isBatchFault(error: unknown): error is LogError {
  return (
    error instanceof CorruptBatchError ||
    error instanceof BatchTooLargeError ||
    error instanceof UnsupportedCodecError
  )
}
