/**
 * Reads every byte of one `.log` file and tells whole batches from damage, changing nothing.
 *
 * A checksum covers a batch from its attributes on. What stands before, base offset, length, leader
 * epoch and format version, is known twice: offsets and epochs from the batches around, the length
 * because only the right one makes the checksum come out. So damage there can be healed, and only a
 * batch whose checksummed part is wrong is lost.
 *
 * Behind a batch whose length cannot be believed the next one is searched byte by byte. Bytes of a
 * value may look like a batch, so one is taken only if whole batches lead from it to a place known
 * to be a border: one the offset index names, the end of the file, or the recovery point.
 */
import { CodecUnavailableError, LogError } from '../base/errors.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { crc32c } from '../platform/crc32c.ts'
import type { File } from '../platform/file-system.ts'
import {
  baseOffsetAt,
  batchHeaderSize,
  batchLengthAt,
  batchOverhead,
  crcAt,
  crcCoveredFrom,
  currentMagic,
  lastOffsetDeltaAt,
  leaderEpochAt,
  magicAt,
  minBatchLength,
} from '../record/batch-format.ts'
import { BatchView } from '../record/batch-view.ts'
import { isOfTornGroup, type WholeFrames } from '../record/group-mark.ts'
import { readInt32, readInt64OrNaN, readUint32, writeInt32, writeInt64 } from '../record/int64.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import { FileWindow } from './file-window.ts'
import { maxRelativeOffset } from './segment.ts'

/** Bytes of a batch before its checksum: what healing may replace. */
export const healedBytes: number = crcAt

export type ScrubRules = {
  readonly baseOffset: Offset
  /** Every offset is below it: base of the next segment, or Infinity. */
  readonly limitOffset: number
  /** Where the last batch ends, when that is known. */
  readonly endOffset: Offset | undefined
  /** No offset may be missing. */
  readonly isDense: boolean
  /** Records below were durable, so what is wrong with them is damage; Infinity: all of them. */
  readonly durableBelow: number
  /** Which groups count, of batches that were not durable. */
  readonly wholeFrames: readonly WholeFrames[]
  /** Epoch of the last batch before this segment, −1 when there is none. */
  readonly previousEpoch: number
  /** Largest leader epoch there was; Infinity when unknown. */
  readonly maxEpoch: number
  /** What the epoch file says of an offset; undefined when it cannot be read. */
  readonly epochOf: (offset: Offset) => number | undefined
  /** Positions that the offset index names, ascending. */
  readonly borders: readonly number[]
}

export type Piece = {
  /**
   * - `whole`        batches as they should be
   * - `healed`       one batch that is whole once `header` replaces its first bytes
   * - `damaged`      bytes that hold no batch that could be saved
   * - `missing`      no bytes: records that should stand here do not
   * - `unrecovered`  the tail that recovery will cut when the store opens
   */
  readonly kind: 'whole' | 'healed' | 'damaged' | 'missing' | 'unrecovered'
  readonly position: FilePosition
  readonly sizeBytes: number
  /** First offset concerned. */
  readonly from: Offset
  /** Offset after the last one; undefined when nothing behind it says where it was. */
  readonly to: Offset | undefined
  readonly reason: string
  readonly header?: Buffer
}

export type ScrubbedSegment = {
  /** All of the file, in order. */
  readonly pieces: readonly Piece[]
  /** Offset after the last whole or healed batch. */
  readonly nextOffset: Offset
  readonly lastEpoch: number
  readonly batchCount: number
  readonly recordCount: number
}

const yieldBytes = 4 * 1024 * 1024
/** How far behind a damaged length its batch may end. */
const lengthSearchBytes = 64 * 1024 * 1024

/**
 * Scrubs the file. Yields the bytes read since the last yield.
 *
 * @param onBatch called for every whole or healed batch, in order; the view is valid during the call.
 */
export function* scrubSegment(
  file: File,
  rules: ScrubRules,
  onBatch: (batch: BatchView, position: FilePosition) => void,
): Generator<number, ScrubbedSegment> {
  const scrub = new SegmentScrub(file, rules, onBatch)
  let yielded = 0
  while (scrub.step()) {
    if (scrub.position - yielded < yieldBytes) continue
    yield scrub.position - yielded
    yielded = scrub.position
  }
  yield scrub.position - yielded
  return scrub
}

type Fix = { readonly reason: string; apply(bytes: Buffer, at: number): void }

class SegmentScrub implements ScrubbedSegment {
  readonly pieces: Piece[] = []
  nextOffset: Offset
  lastEpoch: number
  batchCount = 0
  recordCount = 0
  position = 0
  readonly #window: FileWindow
  readonly #sizeBytes: number
  readonly #rules: ScrubRules
  readonly #onBatch: (batch: BatchView, position: FilePosition) => void
  readonly #view = new BatchView()
  readonly #records = new RecordCursor()
  /** The next batch begins at `nextOffset` and nowhere above it. */
  #isExact: boolean

  constructor(
    file: File,
    rules: ScrubRules,
    onBatch: (batch: BatchView, position: FilePosition) => void,
  ) {
    this.#window = new FileWindow(file)
    this.#sizeBytes = file.size()
    this.#rules = rules
    this.#onBatch = onBatch
    this.nextOffset = rules.baseOffset
    this.lastEpoch = rules.previousEpoch
    this.#isExact = rules.isDense
  }

  /** Judges the batch at `position` and goes on behind it; false at the end of the file. */
  step(): boolean {
    if (this.position >= this.#sizeBytes) return false
    const size = this.#plausibleSize(this.position)
    if (size > 0 && this.#hasValidCrc(this.position, size)) this.#judge(size, undefined)
    else this.#skipDamage(size)
    return true
  }

  /** A batch whose checksum is right: do its header and its records fit? */
  #judge(size: number, lengthFix: Fix | undefined): void {
    const { position } = this
    const at = this.#window.at(position, size)
    const { bytes } = this.#window
    const stated = readInt64OrNaN(bytes, at + baseOffsetAt)
    const isTorn = isOfTornGroup(this.#view.at(bytes, at), this.#rules.wholeFrames)
    if (isTorn && this.#isUnrecovered('part of a group that is not whole', stated)) return
    const fixes: Fix[] = lengthFix === undefined ? [] : [lengthFix]
    if (bytes[at + magicAt] !== currentMagic) {
      fixes.push({ reason: `format version ${bytes[at + magicAt]}`, apply: writeMagic })
    }
    const recordSpan = readInt32(bytes, at + lastOffsetDeltaAt) + 1
    const epoch = readInt32(bytes, at + leaderEpochAt)
    const offset = this.#rightOffset(stated, recordSpan, size)
    if (offset === undefined) {
      const reason = `base offset ${stated} where ${this.nextOffset} was expected`
      if (!this.#isUnrecovered(reason)) this.#damage(size, reason)
      return
    }
    if (offset !== stated) fixes.push(offsetFix(stated, offset))
    const rightEpoch = this.#rightEpoch(epoch, offset, size)
    if (rightEpoch !== epoch) fixes.push(epochFix(epoch, rightEpoch))
    const isUnsure = fixes.length > 0 || (this.#isExact && offset !== this.nextOffset)
    if (isUnsure && this.#isUnrecovered(fixes[0]?.reason ?? `offset ${offset}`)) return
    this.#take(size, offset, fixes)
  }

  #take(size: number, offset: Offset, fixes: readonly Fix[]): void {
    const { position } = this
    // Looking ahead may have moved the window.
    const at = this.#window.at(position, size)
    const { bytes } = this.#window
    for (const fix of fixes) fix.apply(bytes, at)
    const header = Buffer.from(bytes.subarray(at, at + healedBytes))
    const fault = this.#recordFault(at)
    if (fault !== undefined) {
      if (!this.#isUnrecovered(fault)) this.#damage(size, fault)
      return
    }
    const view = this.#view.at(bytes, at)
    this.#noteHole(offset)
    const to = view.nextOffset
    if (fixes.length === 0) this.#addWhole(size, offset, to)
    else {
      const reason = fixes.map((fix) => fix.reason).join(', ')
      const piece = { position: position as FilePosition, sizeBytes: size, from: offset, to }
      this.pieces.push({ kind: 'healed', ...piece, reason, header })
    }
    this.batchCount++
    this.recordCount += view.recordCount
    this.#onBatch(view, position as FilePosition)
    this.nextOffset = to
    this.lastEpoch = view.leaderEpoch
    this.#isExact = this.#rules.isDense
    this.position = position + size
    // What was patched in memory must not be taken for what the file holds.
    if (fixes.length > 0) this.#window.forget()
  }

  /** Walks the records; a checksum that is right does not make them readable. */
  #recordFault(at: number): string | undefined {
    const { bytes } = this.#window
    try {
      const view = this.#view.at(bytes, at)
      if (view.lastOffset - this.#rules.baseOffset > maxRelativeOffset) {
        return 'offset beyond the segment'
      }
      if (view.recordCount > view.lastOffsetDelta + 1) return 'more records than offsets'
      const cursor = this.#records.open(bytes, at)
      while (cursor.next()) cursor.headers()
      return undefined
    } catch (error) {
      if (error instanceof CodecUnavailableError || !(error instanceof LogError)) throw error
      return error.message
    }
  }

  #addWhole(sizeBytes: number, from: Offset, to: Offset): void {
    const last = this.pieces.at(-1)
    if (last?.kind === 'whole') {
      this.pieces[this.pieces.length - 1] = { ...last, sizeBytes: last.sizeBytes + sizeBytes, to }
      return
    }
    const position = this.position as FilePosition
    this.pieces.push({ kind: 'whole', position, sizeBytes, from, to, reason: '' })
  }

  /** Says up to where records are lost, now that a batch behind them is found. */
  #noteHole(offset: Offset): void {
    const last = this.pieces.at(-1)
    if (last?.kind === 'damaged' && last.to === undefined) {
      this.pieces[this.pieces.length - 1] = { ...last, to: offset }
    } else if (this.#isExact && offset !== this.nextOffset) {
      const hole = { position: this.position as FilePosition, sizeBytes: 0, to: offset }
      const reason = 'records are missing'
      this.pieces.push({ kind: 'missing', from: this.nextOffset, ...hole, reason })
    }
  }

  #damage(size: number, reason: string): void {
    const last = this.pieces.at(-1)
    if (last?.kind === 'damaged') {
      const sizeBytes = last.sizeBytes + size
      this.pieces[this.pieces.length - 1] = { ...last, sizeBytes }
    } else {
      const position = this.position as FilePosition
      const from = this.nextOffset
      this.pieces.push({ kind: 'damaged', position, sizeBytes: size, from, to: undefined, reason })
    }
    this.#isExact = false
    this.position += size
  }

  /**
   * Ends the scrub when what is wrong here was not durable: recovery cuts it.
   *
   * @param stated offset that a whole batch says it has, for when damage hides how far it is.
   */
  #isUnrecovered(reason: string, stated: number = Number.NaN): boolean {
    const { durableBelow } = this.#rules
    const isBehind = this.nextOffset >= durableBelow || (!this.#isExact && stated >= durableBelow)
    if (!isBehind) return false
    const sizeBytes = this.#sizeBytes - this.position
    const position = this.position as FilePosition
    const from = this.nextOffset
    this.pieces.push({ kind: 'unrecovered', position, sizeBytes, from, to: undefined, reason })
    this.position = this.#sizeBytes
    return true
  }

  /** A batch whose checksum is wrong, or whose length is: finds where the next one begins. */
  #skipDamage(size: number): void {
    const { position } = this
    const reason = this.#explain(size)
    if (this.#isUnrecovered(reason)) return
    if (this.#sizeBytes - position < batchHeaderSize) {
      this.#damage(this.#sizeBytes - position, reason)
      return
    }
    const stated = size > 0 && this.#isBorder(position + size) ? position + size : undefined
    let crc = 0
    let crcEnd = position + crcCoveredFrom
    const at = this.#window.at(position, batchHeaderSize)
    const storedCrc = readUint32(this.#window.bytes, at + crcAt)
    const searchEnd = Math.min(stated ?? this.#sizeBytes, position + lengthSearchBytes)
    let found: number | undefined
    for (const start of this.#starts(position + batchHeaderSize, searchEnd)) {
      crc = this.#crcOf(crcEnd, start, crc)
      crcEnd = start
      if (crc === storedCrc) {
        this.#judge(start - position, lengthFix(start - position - batchOverhead))
        return
      }
      found ??= this.#reachesBorder(start) ? start : undefined
    }
    let end = stated ?? found
    // The search for a length is bounded; that for the next batch is not.
    for (const start of end === undefined ? this.#starts(searchEnd, this.#sizeBytes) : []) {
      if (!this.#reachesBorder(start)) continue
      end = start
      break
    }
    this.#damage((end ?? this.#sizeBytes) - position, reason)
  }

  #explain(size: number): string {
    const left = this.#sizeBytes - this.position
    if (left < batchHeaderSize) return `${left} bytes are too few for a batch`
    return size > 0 ? 'checksum mismatch' : 'impossible batch header'
  }

  /** Places in `[from, end]` that begin a whole batch or end the file, ascending. */
  *#starts(from: number, end: number): Generator<number> {
    for (let start = from; start < end; start++) {
      if (this.#isStart(start)) yield start
    }
    if (end === this.#sizeBytes || this.#isStart(end)) yield end
  }

  #isBorder(position: number): boolean {
    return position === this.#sizeBytes || this.#isStart(position)
  }

  /** Whether a whole batch with an offset that could follow stands there. */
  #isStart(position: number): boolean {
    if (position + batchHeaderSize > this.#sizeBytes) return false
    const at = this.#window.at(position, batchHeaderSize)
    const { bytes } = this.#window
    if (bytes[at + magicAt] !== currentMagic) return false
    const offset = readInt64OrNaN(bytes, at + baseOffsetAt)
    const span = readInt32(bytes, at + lastOffsetDeltaAt)
    if (!(offset >= this.nextOffset) || span < 0) return false
    if (offset + span >= this.#rules.limitOffset) return false
    if (offset + span - this.#rules.baseOffset > maxRelativeOffset) return false
    const size = this.#plausibleSize(position)
    return size > 0 && this.#hasValidCrc(position, size)
  }

  /** Whether whole batches lead from `position` to a place that is a border for sure. */
  #reachesBorder(position: number): boolean {
    const { borders, durableBelow } = this.#rules
    const border = borders.find((known) => known >= position) ?? this.#sizeBytes
    let at = position
    let nextOffset = Number.NEGATIVE_INFINITY
    while (at < border) {
      if (!this.#isStart(at)) return nextOffset >= durableBelow
      const header = this.#window.at(at, batchHeaderSize)
      nextOffset =
        this.#rawOffset(at) + readInt32(this.#window.bytes, header + lastOffsetDeltaAt) + 1
      at += this.#plausibleSize(at)
    }
    return at === border
  }

  #rawOffset(position: number): number {
    if (position + batchHeaderSize > this.#sizeBytes) return Number.NaN
    const at = this.#window.at(position, batchHeaderSize)
    return readInt64OrNaN(this.#window.bytes, at + baseOffsetAt)
  }

  /** Size by the length field when a batch of that size could stand there, else 0. */
  #plausibleSize(position: number): number {
    if (position + batchHeaderSize > this.#sizeBytes) return 0
    const at = this.#window.at(position, batchHeaderSize)
    const length = readInt32(this.#window.bytes, at + batchLengthAt)
    if (length < minBatchLength || position + batchOverhead + length > this.#sizeBytes) return 0
    return batchOverhead + length
  }

  #hasValidCrc(position: number, size: number): boolean {
    const at = this.#window.at(position, size)
    const { bytes } = this.#window
    return crc32c(bytes, at + crcCoveredFrom, at + size) === readUint32(bytes, at + crcAt)
  }

  #crcOf(start: number, end: number, seed: number): number {
    const at = this.#window.at(start, end - start)
    return crc32c(this.#window.bytes, at, at + end - start, seed)
  }

  /**
   * Offset of the batch at `position`, whose checksummed part is right, or undefined when nothing
   * tells. What it states is believed unless the batches on both sides agree on another, or leave
   * no room for it.
   */
  #rightOffset(stated: number, recordSpan: number, size: number): Offset | undefined {
    const { isDense, limitOffset, endOffset, durableBelow } = this.#rules
    const { nextOffset } = this
    if (recordSpan < 1) return undefined
    if (stated === nextOffset) return nextOffset
    // What was durable ends between two batches, never in one or in a hole.
    const isAcross =
      nextOffset < durableBelow && durableBelow < stated + recordSpan && stated !== durableBelow
    const isInside = stated >= nextOffset && stated + recordSpan <= limitOffset
    const isPossible = isInside && !isAcross
    const counted = nextOffset + recordSpan
    if (!isPossible && (counted === durableBelow || counted === limitOffset)) return nextOffset
    const isLast = this.position + size === this.#sizeBytes
    const following = isLast ? endOffset : this.#offsetAfter(size)
    if (following !== undefined) {
      if (isPossible && stated + recordSpan === following) return stated as Offset
      if (following === counted) return nextOffset
    }
    if (this.#isExact) return nextOffset
    if (isPossible && (isLast || following === undefined)) return stated as Offset
    if (following === undefined) return undefined
    const before = (following - recordSpan) as Offset
    if (isDense) return before >= nextOffset ? before : undefined
    // A batch behind it that claims to be before it is the one that is wrong.
    const fitsBefore = stated + recordSpan <= following || following < nextOffset
    return isPossible && fitsBefore ? (stated as Offset) : undefined
  }

  /** Offset that the batch behind one of `size` bytes states; undefined when that is damaged. */
  #offsetAfter(size: number): number | undefined {
    const next = this.position + size
    const follows = this.#plausibleSize(next)
    if (follows === 0 || !this.#hasValidCrc(next, follows)) return undefined
    const offset = this.#rawOffset(next)
    return offset >= 0 && offset < this.#rules.limitOffset ? offset : undefined
  }

  /** Leader epoch of the batch: as stated, unless what stands around it says otherwise. */
  #rightEpoch(stated: number, offset: Offset, size: number): number {
    const { isDense, maxEpoch } = this.#rules
    const previous = this.lastEpoch
    if (stated === previous) return stated
    const filed = this.#rules.epochOf(offset)
    const next = this.position + size
    const follows =
      next === this.#sizeBytes || !this.#isStart(next) ? undefined : this.#epochAt(next)
    const isPossible = stated > previous && stated >= (isDense ? 0 : -1) && stated <= maxEpoch
    if (isPossible && (filed === stated || follows === stated)) return stated
    if (previous >= 0 && (follows === previous || filed === previous)) return previous
    if (isPossible || !isDense) return stated
    return Math.max(filed !== undefined && filed <= maxEpoch ? filed : 0, previous, 0)
  }

  #epochAt(position: number): number {
    const at = this.#window.at(position, batchHeaderSize)
    return readInt32(this.#window.bytes, at + leaderEpochAt)
  }
}

function writeMagic(bytes: Buffer, at: number): void {
  bytes[at + magicAt] = currentMagic
}

function lengthFix(length: number): Fix {
  return {
    reason: 'damaged length',
    apply: (bytes, at) => writeInt32(bytes, at + batchLengthAt, length),
  }
}

function offsetFix(stated: number, right: Offset): Fix {
  return {
    reason: `base offset ${stated} instead of ${right}`,
    apply: (bytes, at) => writeInt64(bytes, at + baseOffsetAt, right),
  }
}

function epochFix(stated: number, right: number): Fix {
  return {
    reason: `leader epoch ${stated} instead of ${right}`,
    apply: (bytes, at) => writeInt32(bytes, at + leaderEpochAt, right),
  }
}
