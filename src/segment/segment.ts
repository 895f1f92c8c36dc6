/**
 * One `.log` file and its two indexes: append, find, read, seal.
 *
 * The active segment takes appends and keeps its index entries in memory; sealing writes the index
 * files, and from then on the segment is read-only and its indexes are looked up in private mappings
 * of them. Index files are derived data: whatever happens to them, recovery rebuilds them from the
 * `.log`. Records are read with pread into reused memory: measured 6 % faster than from a mapping,
 * which V8 also counts against its heap.
 *
 * Past 500 lines because file, both indexes and their files change together or not at all.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { CorruptBatchError, CorruptionError, LogError, StorageError } from '../base/errors.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { mebibyte } from '../base/units.ts'
import { EntryTable } from '../index/entry-table.ts'
import { OffsetIndex, offsetIndexEntrySize } from '../index/offset-index.ts'
import { TimeIndex, timeIndexEntrySize } from '../index/time-index.ts'
import { crc32c } from '../platform/crc32c.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import type { File, FileSystem, MappedFile } from '../platform/file-system.ts'
import type { BatchView } from '../record/batch-view.ts'
import { BatchScanner } from './batch-scanner.ts'
import type { IndexSeal } from './index-seal.ts'
import type { SegmentFile, SegmentFileOwner } from './segment-file.ts'
import {
  deletedSuffix,
  logSuffix,
  offsetIndexSuffix,
  segmentFileName,
  timeIndexSuffix,
  transactionIndexSuffix,
} from './segment-file-name.ts'
import type { SegmentFiles } from './segment-files.ts'
import { maxKeptBytes, SegmentTail } from './segment-tail.ts'

/** Offsets of one segment span at most this, so that they fit the index's 32 bits. */
export const maxRelativeOffset = 0x7fff_ffff
/** Positions are int32 in every Kafka tool, so a segment never grows past this. */
export const maxSegmentBytes = 0x7fff_ffff
/** How far behind the last time entry a later timestamp is looked for when an index is loaded. */
const closingScanBytes = mebibyte

/** Behind the index entry after the one a search begins at: a short answer is there as a whole then. */
const coldBytes = 64 * 1024
/** Of long batches more may be missing, which is sent by who can wait. */
const maxColdBytes = 2 * mebibyte
/** How much of what this process wrote last is in memory. */
const warmBytes = mebibyte

/** Index files up to this size are read: a mapping takes a page, and longer to make. */
const smallIndexBytes = 4096
const noMappings: readonly MappedFile[] = []

/** How much is written at once where a segment is written again. */
const rewriteBytes = 1024 * 1024
/**
 * From this size on a segment that is written at once has blocks reserved ahead: less, of very many logs,
 * costs more than it saves.
 */
const reservedFromBytes = 4 * 1024 * 1024

/** What a segment needs from its log; shared by all segments of it. */
export type SegmentEnvironment = {
  readonly fileSystem: FileSystem
  /** Opens the `.log`, and closes it again when others need the descriptor. */
  readonly files: SegmentFiles
  readonly directory: string
  readonly clock: Clock
  /** Live settings: read at every use, so that a changed topic setting acts at once. */
  readonly settings: SegmentSettings
  /** Offsets may be missing: batches need not follow each other without a hole. */
  readonly mayHaveGaps?: boolean
}

export type SegmentSettings = {
  /** Bytes of log between two index entries. */
  readonly indexIntervalBytes: number
  /** Size at which an index counts as full. */
  readonly indexBytes: number
  /** A segment that would grow past this is followed by another first; no append is larger. */
  readonly segmentBytes: number
}

/** Where a batch stands in its segment. */
export type BatchPlace = {
  readonly position: FilePosition
  readonly sizeBytes: number
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly maxTimestamp: number
  readonly leaderEpoch: number
}

/** One of several batches that are appended together. */
export type RunBatch = {
  /** Where it begins among the bytes of the run. */
  readonly at: number
  readonly sizeBytes: number
  readonly lastOffset: Offset
  readonly maxTimestamp: number
}

export type SegmentState = 'active' | 'sealed' | 'closed'

export class Segment implements SegmentFileOwner {
  readonly baseOffset: Offset
  readonly #env: SegmentEnvironment
  readonly #createdMs: number
  #state: SegmentState
  #sizeBytes: number
  /** Its size when it was opened: what stands before may never have been in memory. */
  readonly #foundBytes: number
  #handle: SegmentFile | undefined
  #indexMappings = noMappings
  #offsetIndex: OffsetIndex | undefined
  #timeIndex: TimeIndex | undefined
  #bytesSinceEntry = 0
  #maxTimestamp = -1
  #maxTimestampOffset: Offset
  #firstTimestamp: number | undefined
  /** How often the index files were written, and how many of these times are durable. */
  #indexWrites = 0
  #syncedIndexWrites = 0
  #isTorn = false
  /** What stands in memory only. */
  #tail: SegmentTail | undefined
  /** Size of an index that would not be full; −1 where entries came since that was found. */
  #roomForBytes = -1
  /** Headers out of order were found: not looked for again. */
  #isLogDamaged = false

  private constructor(
    env: SegmentEnvironment,
    baseOffset: Offset,
    state: 'active' | 'sealed',
    sizeBytes: number,
  ) {
    this.#env = env
    this.baseOffset = baseOffset
    this.#state = state
    this.#sizeBytes = sizeBytes
    this.#foundBytes = sizeBytes
    this.#createdMs = env.clock.now()
    this.#maxTimestampOffset = baseOffset
  }

  /** Creates an empty active segment. Its name is durable only after a directory sync. */
  static create(env: SegmentEnvironment, baseOffset: Offset): Segment {
    const segment = new Segment(env, baseOffset, 'active', 0)
    segment.#handle = segment.#open('create')
    segment.#offsetIndex = new OffsetIndex(baseOffset)
    segment.#timeIndex = new TimeIndex(baseOffset)
    return segment
  }

  /**
   * Opens an existing segment as sealed; its indexes are read on first use.
   * A file over `maxSegmentBytes` is refused with a CorruptionError.
   */
  static open(env: SegmentEnvironment, baseOffset: Offset): Segment {
    const path = `${env.directory}/${segmentFileName(baseOffset, logSuffix)}`
    const stat = env.fileSystem.stat(path)
    if (stat === undefined) {
      throw new StorageError({ operation: 'open', path, errno: 'ENOENT' })
    }
    if (stat.sizeBytes > maxSegmentBytes) {
      throw new CorruptionError({
        path,
        position: maxSegmentBytes as FilePosition,
        reason: `segment of ${stat.sizeBytes} bytes is longer than any segment can be`,
      })
    }
    return new Segment(env, baseOffset, 'sealed', stat.sizeBytes)
  }

  get path(): string {
    return this.#pathOf(logSuffix)
  }

  get state(): SegmentState {
    return this.#state
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** A failed write could not be undone: the file may end in bytes that belong to no batch. */
  get isTorn(): boolean {
    return this.#isTorn
  }

  /** Index files were written since the last flush. */
  get areIndexFilesUnsynced(): boolean {
    return this.#syncedIndexWrites < this.#indexWrites
  }

  get createdMs(): number {
    return this.#createdMs
  }

  /** Largest record timestamp, or −1 when no record has one. */
  get maxTimestamp(): number {
    return Math.max(this.#maxTimestamp, this.#loadTimeIndex().lastTimestamp)
  }

  /** Last offset of the earliest batch that has `maxTimestamp`. */
  get maxTimestampOffset(): Offset {
    const index = this.#loadTimeIndex()
    return index.lastTimestamp > this.#maxTimestamp ? index.lastOffset : this.#maxTimestampOffset
  }

  /** Largest timestamp, or the file's modification time when no record has one. */
  get largestTimestamp(): number {
    const { maxTimestamp } = this
    if (maxTimestamp >= 0) return maxTimestamp
    return this.#env.fileSystem.stat(this.path)?.modifiedMs ?? -1
  }

  /** Largest timestamp of the first batch; undefined when the segment is empty. */
  get firstTimestamp(): number | undefined {
    if (this.#firstTimestamp === undefined && this.#sizeBytes > 0) {
      const scanner = this.scan('headers')
      if (scanner.next() === 'batch') this.#firstTimestamp = scanner.view.maxTimestamp
      scanner.release()
    }
    return this.#firstTimestamp
  }

  /** No room for another index entry (the time index keeps one slot for its closing entry). */
  get areIndexesFull(): boolean {
    const { indexBytes } = this.#env.settings
    // Asked before every append, and an entry comes with few of them.
    if (indexBytes === this.#roomForBytes) return false
    const areFull =
      this.#loadOffsetIndex().entryCount >= Math.floor(indexBytes / offsetIndexEntrySize) ||
      this.#loadTimeIndex().entryCount >= Math.floor(indexBytes / timeIndexEntrySize) - 1
    this.#roomForBytes = areFull ? -1 : indexBytes
    return areFull
  }

  /**
   * Writes whole batches `bytes[start, end)` that end in offset `lastOffset`, and indexes them as
   * one append. On a failed write the file is cut back to what it was and the error is thrown; when
   * even that fails the segment `isTorn`.
   *
   * @param maxTimestamp largest record timestamp in the append, or −1.
   * @returns where the append starts.
   */
  append(
    bytes: Buffer,
    start: number,
    end: number,
    lastOffset: Offset,
    maxTimestamp: number,
  ): FilePosition {
    const position = this.#write(bytes, start, end, lastOffset)
    if (position === 0) this.#firstTimestamp = maxTimestamp
    this.#index(lastOffset, position, maxTimestamp)
    this.#bytesSinceEntry += end - start
    return position
  }

  /** Like `append`, of several batches that fill `bytes`, each indexed by itself. One write. */
  appendRun(bytes: Buffer, batches: readonly RunBatch[]): FilePosition {
    const last = batches.at(-1)
    assert(last !== undefined && last.at + last.sizeBytes === bytes.length, 'batches fill the run')
    const position = this.#write(bytes, 0, bytes.length, last.lastOffset)
    this.#indexRun(position, batches)
    return position
  }

  #indexRun(position: FilePosition, batches: readonly RunBatch[]): void {
    for (const { at, sizeBytes, lastOffset, maxTimestamp } of batches) {
      this.indexStored(lastOffset, (position + at) as FilePosition, sizeBytes, maxTimestamp)
    }
  }

  /**
   * Like `append` of what the journal holds and the kernel has: it may stay in memory for now. Readers
   * see it; the next flush writes it to the file.
   */
  appendJournaled(
    bytes: Buffer,
    start: number,
    end: number,
    lastOffset: Offset,
    maxTimestamp: number,
  ): FilePosition {
    const tail = this.#tailFor(end - start)
    if (tail === undefined) return this.append(bytes, start, end, lastOffset, maxTimestamp)
    const position = this.#sizeBytes as FilePosition
    tail.add(bytes, start, end)
    tail.keep()
    this.#sizeBytes = position + end - start
    this.indexStored(lastOffset, position, end - start, maxTimestamp)
    return position
  }

  /** The tail, if it can keep `length` bytes more that are sure to find room in the file later. */
  #tailFor(length: number): SegmentTail | undefined {
    const tail = (this.#tail ??= new SegmentTail())
    if (tail.keptBytes + length > maxKeptBytes) return undefined
    return this.#reserve(tail, this.#sizeBytes + length) ? tail : undefined
  }

  /** Whether the file has the blocks to grow to `sizeBytes`. */
  #reserve(tail: SegmentTail, sizeBytes: number): boolean {
    if (tail.wantsReserve(sizeBytes)) {
      const target = SegmentTail.reserveTarget(sizeBytes, this.#env.settings.segmentBytes)
      const from = Math.max(tail.reservedBytes, this.#sizeBytes - tail.keptBytes)
      try {
        tail.reservedBytes = this.#hold().reserve(from, target - from) ? target : -1
      } catch (error) {
        // The disk may be full: then a write says so, or finds room yet.
        if (!(error instanceof LogError)) throw error
        tail.foundFull(sizeBytes)
      }
    }
    return tail.reservedBytes >= sizeBytes
  }

  /**
   * Blocks ahead for a segment that grows: a write into blocks of the file does not wait for the kernel
   * while it looks for those of what came before and is being written back.
   */
  #reserveAhead(sizeBytes: number): void {
    if (sizeBytes < reservedFromBytes) return
    this.#tail ??= new SegmentTail()
    this.#reserve(this.#tail, sizeBytes)
  }

  /** Keeps `bytes[start, end)` for `appendWaiting`: they are no part of the segment yet. */
  wait(bytes: Buffer, start: number, end: number): void {
    assert(this.#state === 'active', 'only the active segment takes appends')
    this.#tail ??= new SegmentTail()
    this.#tail.add(bytes, start, end)
  }

  /** What waits; good until more does, also once it is appended. */
  get waiting(): Buffer {
    assert(this.#tail !== undefined, 'something waits')
    return this.#tail.waiting
  }

  /** What waits is not wanted. */
  dropWaiting(): void {
    this.#tail?.dropWaiting()
  }

  /** Whether what waits can be appended without a write to the file. */
  canKeepWaiting(): boolean {
    return this.#tailFor(this.#tail?.waitingBytes ?? 0) !== undefined
  }

  /**
   * Appends what waits, of which `batches` are the parts. Fails like `append`, and what waits is
   * dropped then.
   *
   * @param isKept leave it in memory: `canKeepWaiting`, and before anybody is told of it the kernel
   *               gets it in a frame of the journal.
   */
  appendWaiting(batches: readonly RunBatch[], isKept: boolean): FilePosition {
    const tail = this.#tail as SegmentTail
    const last = batches.at(-1) as RunBatch
    assert(last.at + last.sizeBytes === tail.waitingBytes, 'batches fill the run')
    assert(last.lastOffset - this.baseOffset <= maxRelativeOffset, 'the append fits the segment')
    const position = this.#sizeBytes as FilePosition
    const sizeBytes = position + tail.waitingBytes
    if (isKept) tail.keep()
    else {
      try {
        // By itself, because it has its blocks: it must not go with what finds none.
        this.writeKept()
        this.#writeTail(tail.waitingBytes)
      } catch (error) {
        tail.dropWaiting()
        throw error
      }
    }
    this.#sizeBytes = sizeBytes
    this.#indexRun(position, batches)
    return position
  }

  /** Of the segment, what stands in memory only. */
  get keptBytes(): number {
    return this.#tail?.keptBytes ?? 0
  }

  /** Hands to the kernel what stands in memory only. Fails like `append`, and it stays there then. */
  writeKept(): void {
    const { keptBytes } = this
    if (keptBytes > 0) this.#writeTail(keptBytes)
  }

  #writeTail(length: number): void {
    const tail = this.#tail as SegmentTail
    const position = this.#sizeBytes - tail.keptBytes
    try {
      this.#hold().write(tail.first(length), position)
    } catch (error) {
      this.#undoWrite(position)
      throw error
    }
    tail.written(length)
  }

  #dropTail(): void {
    this.#tail?.drop()
    this.#tail = undefined
  }

  /** Gives back blocks that were reserved beyond the end. */
  releaseReserved(): void {
    if (this.#tail === undefined) return
    this.writeKept()
    if (this.#tail.reservedBytes > this.#sizeBytes) this.#hold().truncate(this.#sizeBytes)
    this.#dropTail()
  }

  #write(bytes: Buffer, start: number, end: number, lastOffset: Offset): FilePosition {
    assert(this.#state === 'active', 'only the active segment takes appends')
    assert(lastOffset - this.baseOffset <= maxRelativeOffset, 'the append fits the segment')
    assert((this.#tail?.waitingBytes ?? 0) === 0, 'what waits goes first')
    this.writeKept()
    const position = this.#sizeBytes as FilePosition
    this.#reserveAhead(position + end - start)
    const file = this.#hold()
    try {
      file.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), position)
    } catch (error) {
      this.#undoWrite(position)
      throw error
    }
    this.#sizeBytes = position + end - start
    return position
  }

  #undoWrite(position: number): void {
    // The cut gives back what was reserved.
    if (this.#tail !== undefined) this.#tail.forgetReserved()
    const file = this.#hold()
    try {
      const isExtended = file.size() > position
      file.truncate(position)
      // Whole batches may have been written that were refused: after a power cut they must not stand
      // where others are then, or before a segment that begins at their offset.
      if (isExtended) file.flushSync()
    } catch {
      // The write's own error is the one to report; the log fails for good because of this flag.
      this.#isTorn = true
    }
  }

  #index(lastOffset: Offset, position: FilePosition, maxTimestamp: number): void {
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp
      this.#maxTimestampOffset = lastOffset
    }
    if (this.#bytesSinceEntry <= this.#env.settings.indexIntervalBytes) return
    this.#roomForBytes = -1
    this.#loadOffsetIndex().append(lastOffset, position)
    this.#offerMaxTimestamp()
    this.#bytesSinceEntry = 0
  }

  #offerMaxTimestamp(): void {
    if (this.#maxTimestamp >= 0) {
      this.#loadTimeIndex().offer(this.#maxTimestamp, this.#maxTimestampOffset)
    }
  }

  /**
   * The first batch whose last offset is `target` or above, searching from an index entry on.
   * Undefined when the segment ends first. O(log entries) plus the headers of one index interval.
   *
   * Base offsets are under no checksum: that each batch follows the one before, and the first one
   * its index entry, is what tells a damaged offset from the right one.
   */
  locate(target: Offset): BatchPlace | undefined {
    return this.#firstBatch(
      (index) => index.entryAtOrBelow(target < this.baseOffset ? this.baseOffset : target),
      (batch) => batch.lastOffset >= target,
    )
  }

  /** What a search for `target` reads, and the bytes that follow, as `coldRange`. O(log entries). */
  coldPart(target: Offset): FileSlice | undefined {
    const index = this.#loadOffsetIndex()
    const entry = index.entryAtOrBelow(target < this.baseOffset ? this.baseOffset : target)
    const start = index.positionOf(entry)
    const next = entry + 1 < index.entryCount ? index.positionOf(entry + 1) : start
    return this.coldRange(start, Math.min(next - start + coldBytes, maxColdBytes))
  }

  /**
   * The region of at most `maxBytes` from `position` on if memory lacks some of it: to be loaded by who
   * must not wait for the disk before it reads, and released. Undefined when it is there, as far as
   * anybody can tell. Costs a look into the page cache, but for what was written just now.
   */
  coldRange(position: number, maxBytes: number): FileSlice | undefined {
    if (position >= Math.max(this.#foundBytes, this.#sizeBytes - warmBytes)) return undefined
    const fileBytes = this.#sizeBytes - (this.#tail?.keptBytes ?? 0)
    const length = Math.min(maxBytes, fileBytes - position)
    if (length <= 0) return undefined
    const file = this.#hold()
    return file.isCached(position, length) ? undefined : file.slice(position, length)
  }

  #firstBatch(
    entryOf: (index: OffsetIndex) => number,
    isWanted: (batch: BatchView) => boolean,
  ): BatchPlace | undefined {
    let place: BatchPlace | undefined
    this.#visit(entryOf, (view, position) => {
      if (!isWanted(view)) return false
      place = placeOf(view, position)
      return true
    })
    return place
  }

  /**
   * Visits headers from an index entry on, until `visit` says that it has seen enough. A header
   * that does not fit its index entry may mean that the index is damaged: if the log itself is
   * whole, the index is made anew and the visit begins again.
   */
  #visit(
    entryOf: (index: OffsetIndex) => number,
    visit: (view: BatchView, position: FilePosition) => boolean,
  ): void {
    const index = this.#loadOffsetIndex()
    const entry = entryOf(index)
    const scanner = this.scan('headers', index.positionOf(entry))
    let expected = entry < 0 ? this.baseOffset : undefined
    for (;;) {
      const step = scanner.next()
      if (step === 'end') return
      const { view, position } = scanner
      const fault =
        step === 'batch'
          ? this.#headerFault(view, expected, entry < 0 ? undefined : index.offsetOf(entry))
          : `found an ${step} batch header`
      if (fault !== undefined) {
        if (entry < 0 || !this.#rebuildIfWhole()) throw this.corruption(position, fault)
        this.#visit(entryOf, visit)
        return
      }
      if (visit(view, position)) {
        scanner.release()
        return
      }
      expected = view.nextOffset
    }
  }

  /**
   * What is wrong with the header of a stored batch; the checksum is not looked at.
   *
   * @param expected where it has to begin, or at least; undefined for the one an index names.
   * @param indexed  last offset that index entry has for it.
   */
  #headerFault(
    batch: BatchView,
    expected: Offset | undefined,
    indexed: Offset | undefined,
  ): string | undefined {
    try {
      const { baseOffset, lastOffset, lastOffsetDelta, maxTimestamp } = batch
      if (lastOffsetDelta < 0) return 'negative last offset delta'
      if (maxTimestamp < -1) return 'negative timestamp'
      if (lastOffset - this.baseOffset > maxRelativeOffset) return 'offset beyond the segment'
      if (expected === undefined) {
        const wanted = indexed as Offset
        // Other programs may index several batches by the last offset of all of them.
        if (this.isDense ? lastOffset === wanted : lastOffset <= wanted) return undefined
        return `found a batch that ends at offset ${lastOffset} where ${wanted} is indexed`
      }
      if (this.isDense ? baseOffset === expected : baseOffset >= expected) return undefined
      return `found offset ${baseOffset} where ${expected} was expected`
    } catch (error) {
      if (error instanceof LogError) return error.message
      throw error
    }
  }

  /** No offset may be missing between two batches. */
  get isDense(): boolean {
    return this.#env.mayHaveGaps !== true
  }

  /**
   * Makes the indexes anew when every header of the log is in order, so that the fault must have
   * been theirs. Else the log is damaged, and the indexes may be all that shows where it goes on.
   */
  #rebuildIfWhole(): boolean {
    if (this.#isLogDamaged) return false
    const scanner = this.scan('headers')
    let expected = this.baseOffset
    for (;;) {
      const step = scanner.next()
      if (step === 'end') break
      if (step !== 'batch' || this.#headerFault(scanner.view, expected, undefined) !== undefined) {
        this.#isLogDamaged = true
        return false
      }
      expected = scanner.view.nextOffset
    }
    this.rebuildIndexes()
    return true
  }

  /**
   * First batch, at or after the one that holds `from`, with a record at or after `timestamp`.
   * Sparse: the caller looks at the records of the batch.
   */
  locateTimestamp(timestamp: number, from: Offset): BatchPlace | undefined {
    const indexed = this.#indexedOffset(timestamp)
    const start = indexed > from ? indexed : from
    return this.#firstBatch(
      (index) => index.entryAtOrBelow(start < this.baseOffset ? this.baseOffset : start),
      (batch) => batch.maxTimestamp >= timestamp && batch.lastOffset >= from,
    )
  }

  /** Offset below which no record has a timestamp of `timestamp` or later. */
  #indexedOffset(timestamp: number): Offset {
    for (let round = 0; round < 2; round++) {
      const index = this.#loadTimeIndex()
      const entry = index.entryAtOrBelow(timestamp)
      if (entry < 0) break
      const offset = index.offsetOf(entry)
      if (this.#hasTimestamp(offset, index.timestampOf(entry))) return offset
      if (!this.#rebuildIfWhole()) break
    }
    return this.baseOffset
  }

  /** Whether the batch that holds `offset` has `timestamp` as its largest, as an index says. */
  #hasTimestamp(offset: Offset, timestamp: number): boolean {
    const place = this.locate(offset)
    return place !== undefined && place.baseOffset <= offset && place.maxTimestamp === timestamp
  }

  /**
   * The batch that begins at `position`; undefined when none does. Costs the headers of one index
   * interval.
   */
  batchAt(position: number): BatchPlace | undefined {
    const scanner = this.scan('headers', this.borderAtOrBelow(position))
    for (;;) {
      const step = scanner.next()
      if (step === 'end' || scanner.position > position) return undefined
      if (step !== 'batch') throw this.corruption(scanner.position, `found an ${step} batch header`)
      if (scanner.position === position) return placeOf(scanner.view, scanner.position)
    }
  }

  /** Largest batch border the index knows at or below `position`; 0 when it knows none. */
  borderAtOrBelow(position: number): FilePosition {
    return this.#loadOffsetIndex().borderAtOrBelow(position)
  }

  /** Where a scan for `target` may start, as the index says without a look at the batches. */
  indexedPosition(target: Offset): FilePosition {
    return this.#loadOffsetIndex().lookup(target < this.baseOffset ? this.baseOffset : target)
  }

  /**
   * A time that records shortly before `offset` had: of the time index's entry before it or, when
   * there is none, of the segment's first batch. −1 when these have none.
   */
  indexedTimestamp(offset: Offset): number {
    const timestamp = this.#loadTimeIndex().timestampBefore(offset)
    return timestamp >= 0 ? timestamp : (this.firstTimestamp ?? -1)
  }

  /** Offset after the last record, found from the last index entry on by headers alone. */
  findNextOffset(): Offset {
    let next = this.baseOffset
    this.#visit(
      (index) => index.entryCount - 1,
      (view) => {
        next = view.nextOffset
        return false
      },
    )
    return next
  }

  /**
   * Throws CorruptionError unless the last batch has the right checksum: the log end is counted from
   * its header. Reads that batch.
   */
  checkLastBatch(): void {
    let last: BatchPlace | undefined
    this.#visit(
      (index) => index.entryCount - 1,
      (view, position) => {
        last = placeOf(view, position)
        return false
      },
    )
    if (last === undefined) return
    const scanner = this.scan('whole', last.position)
    if (scanner.next() === 'batch' && scanner.view.hasValidCrc()) return
    throw this.corruption(last.position, 'checksum mismatch of the last batch')
  }

  /** A scanner over `[from, limit)`; `from` must be a batch border. */
  scan(mode: 'headers' | 'whole', from = 0, limit: number = this.#sizeBytes): BatchScanner {
    return new BatchScanner(this, mode).start(from, limit)
  }

  /** Reads as a `File` does; for scanners, which must not keep a file that may be closed meanwhile. */
  read(target: Uint8Array, position: number): number {
    const keptBytes = this.#tail?.keptBytes ?? 0
    const fileBytes = this.#sizeBytes - keptBytes
    if (keptBytes === 0 || position + target.length <= fileBytes) {
      return this.#hold().read(target, position)
    }
    const tail = this.#tail as SegmentTail
    if (position >= fileBytes) return tail.read(target, position - fileBytes)
    const inFile = target.subarray(0, fileBytes - position)
    const count = this.#hold().read(inFile, position)
    if (count < inFile.length) return count
    return count + tail.read(target.subarray(count), 0)
  }

  /** Fills `target` with the bytes from `position` on; they must lie inside the segment. */
  readInto(target: Buffer, position: number): void {
    assert(position + target.length <= this.#sizeBytes, 'a read lies inside the segment')
    const count = this.read(target, position)
    if (count !== target.length) throw this.corruption(position + count, 'the file ends too early')
  }

  /** A region for a socket; it keeps the file open until released. */
  slice(position: number, length: number): FileSlice {
    assert(position + length <= this.#sizeBytes, 'a slice lies inside the segment')
    if (position + length > this.#sizeBytes - (this.#tail?.keptBytes ?? 0)) this.writeKept()
    return this.#hold().slice(position, length)
  }

  /** Makes the content durable, index files of a sealed segment included. */
  async flush(): Promise<void> {
    this.#writeAllKept()
    const handle = this.#hold()
    handle.hold()
    const indexFiles: File[] = []
    try {
      if (this.areIndexFilesUnsynced) {
        const writes = this.#indexWrites
        // All before the first wait: the segment may be deleted meanwhile, and its names with it.
        for (const suffix of [offsetIndexSuffix, timeIndexSuffix]) {
          indexFiles.push(this.#env.fileSystem.open(this.#pathOf(suffix), 'write'))
        }
        for (const file of indexFiles) await file.flush()
        // Not sooner: another flush of the segment would pass over what is not durable yet.
        this.#syncedIndexWrites = Math.max(this.#syncedIndexWrites, writes)
      }
      await handle.flush()
    } finally {
      for (const file of indexFiles) file.close()
      handle.release()
    }
  }

  #writeAllKept(): void {
    if (this.#tail === undefined) return
    this.writeKept()
    this.#tail.releaseMemory()
  }

  /** The same at once, for callers that cannot wait. */
  flushSync(): void {
    this.#writeAllKept()
    if (this.areIndexFilesUnsynced) {
      for (const suffix of [offsetIndexSuffix, timeIndexSuffix]) {
        const file = this.#env.fileSystem.open(this.#pathOf(suffix), 'write')
        try {
          file.flushSync()
        } finally {
          file.close()
        }
      }
      this.#syncedIndexWrites = this.#indexWrites
    }
    this.#hold().flushSync()
  }

  /** Writes the index files and makes the segment read-only. Not durable until `flush`. */
  seal(): void {
    assert(this.#state === 'active', 'only the active segment is sealed')
    this.releaseReserved()
    this.saveIndexes()
    this.#state = 'sealed'
    // Read back on demand from the files, so that many sealed segments cost no memory.
    this.#offsetIndex = this.#timeIndex = undefined
  }

  /** Writes both index files with their closing time entry, trimmed to their entries. */
  saveIndexes(): void {
    this.#offerMaxTimestamp()
    this.#save(offsetIndexSuffix, this.#loadOffsetIndex().bytes)
    this.#save(timeIndexSuffix, this.#loadTimeIndex().bytes)
    this.#indexWrites++
  }

  /** Both index files are there and hold nothing, as those of a segment without batches. */
  get hasEmptyIndexes(): boolean {
    const { fileSystem } = this.#env
    return [offsetIndexSuffix, timeIndexSuffix].every((suffix) => {
      return fileSystem.stat(this.#pathOf(suffix))?.sizeBytes === 0
    })
  }

  #save(suffix: string, bytes: Buffer): void {
    const file = this.#env.fileSystem.open(this.#pathOf(suffix), 'open-or-create')
    try {
      // Shrink first and only then write: a mapping of the old file must not be open here.
      if (file.size() !== bytes.length) file.truncate(bytes.length)
      if (bytes.length > 0) file.write(bytes, 0)
    } finally {
      file.close()
    }
  }

  /** Makes the last segment of a log take appends again (after open or truncation). */
  activate(): void {
    assert(this.#state === 'sealed', 'only a sealed segment is activated')
    this.#roomForBytes = -1
    this.#loadOffsetIndex()
    const timeIndex = this.#loadTimeIndex()
    this.#maxTimestamp = timeIndex.lastTimestamp
    this.#maxTimestampOffset = timeIndex.lastOffset
    this.#bytesSinceEntry = this.#sizeBytes - this.#loadOffsetIndex().lastPosition
    this.#state = 'active'
    // The index files are written again some day: nothing may be mapped then.
    this.#loadOffsetIndex().detach()
    timeIndex.detach()
    this.#unmapIndexes()
  }

  /** Starts both indexes anew, empty: recovery fills them while it scans. */
  resetIndexes(): void {
    this.#unmapIndexes()
    this.#offsetIndex = new OffsetIndex(this.baseOffset)
    this.#timeIndex = new TimeIndex(this.baseOffset)
    this.#maxTimestamp = -1
    this.#maxTimestampOffset = this.baseOffset
    this.#firstTimestamp = undefined
    this.#bytesSinceEntry = 0
  }

  /** What a checkpoint keeps of the index files just written. */
  sealIndexes(): IndexSeal {
    const offsets = this.#loadOffsetIndex().bytes
    const times = this.#loadTimeIndex().bytes
    return {
      baseOffset: this.baseOffset,
      offsetEntries: offsets.length / offsetIndexEntrySize,
      offsetCrc: crc32c(offsets, 0, offsets.length),
      timeEntries: times.length / timeIndexEntrySize,
      timeCrc: crc32c(times, 0, times.length),
    }
  }

  /**
   * Loads what the index files say of records below `trusted`, all durable, and drops the rest:
   * recovery goes on from there instead of from the start.
   *
   * @param seal what the files were when they were written last.
   * @returns the batch to go on with, already indexed; undefined when nothing can be kept, with
   *          empty indexes.
   */
  resumeIndexes(trusted: Offset, seal: IndexSeal): BatchPlace | undefined {
    this.resetIndexes()
    const offsetTable = this.#loadEntries(offsetIndexSuffix, offsetIndexEntrySize)
    const timeTable = this.#loadEntries(timeIndexSuffix, timeIndexEntrySize)
    const isWhole =
      offsetTable.isSealed(seal.offsetEntries, seal.offsetCrc) &&
      timeTable.isSealed(seal.timeEntries, seal.timeCrc)
    if (!isWhole) {
      this.#unmapIndexes()
      return undefined
    }
    const offsets = new OffsetIndex(this.baseOffset, offsetTable)
    const times = new TimeIndex(this.baseOffset, timeTable)
    offsets.cutTo(seal.offsetEntries, trusted)
    times.cutTo(seal.timeEntries, trusted)
    this.#unmapIndexes()
    const place = this.#placeOfLastEntry(offsets)
    if (place === undefined) return undefined
    // Times of what comes behind that batch are found again.
    times.truncate((place.lastOffset + 1) as Offset)
    this.#offsetIndex = offsets
    this.#timeIndex = times
    this.#maxTimestamp = times.lastTimestamp
    this.#maxTimestampOffset = times.lastOffset
    this.#bytesSinceEntry = 0
    return place
  }

  /** The batch that the last entry names, if it stands there. */
  #placeOfLastEntry(offsets: OffsetIndex): BatchPlace | undefined {
    if (offsets.entryCount === 0 || !offsets.isPlausible(this.#sizeBytes)) return undefined
    const position = offsets.lastPosition
    const scanner = this.scan('headers', position)
    if (scanner.next() !== 'batch') return undefined
    if (this.#headerFault(scanner.view, undefined, offsets.lastOffset) !== undefined)
      return undefined
    const { baseOffset, lastOffset, sizeBytes, maxTimestamp, leaderEpoch } = scanner.view
    if (lastOffset !== offsets.lastOffset) return undefined
    return { position, sizeBytes, baseOffset, lastOffset, maxTimestamp, leaderEpoch }
  }

  /** Indexes a batch that stands in the file already: recovery's half of an append. */
  indexStored(
    lastOffset: Offset,
    position: FilePosition,
    sizeBytes: number,
    maxTimestamp: number,
  ): void {
    if (position === 0) this.#firstTimestamp = maxTimestamp
    this.#index(lastOffset, position, maxTimestamp)
    this.#bytesSinceEntry += sizeBytes
  }

  /**
   * Cuts the file at `position`, a batch border, and every index entry from `offset` on. Durable on
   * return: bytes that were cut must not come back behind others written in their place.
   */
  truncate(position: number, offset: Offset): void {
    assert(position <= this.#sizeBytes, 'a truncation shortens')
    this.writeKept()
    // First: when what stays cannot be read, nothing has changed.
    const latest = this.#latestBefore(position, offset)
    // The blocks beyond go with the cut.
    this.#dropTail()
    this.#hold().truncate(position)
    this.#sizeBytes = position
    this.#isLogDamaged = false
    this.#loadOffsetIndex().truncate(offset)
    this.#loadTimeIndex().truncate(offset)
    this.#maxTimestamp = latest.timestamp
    this.#maxTimestampOffset = latest.offset
    this.#bytesSinceEntry = position - this.#loadOffsetIndex().lastPosition
    if (position === 0) this.#firstTimestamp = undefined
    // Last: when it fails the log takes no more appends, but what is left can be read.
    this.#hold().flushSync()
  }

  /** Largest timestamp before `position`, where `end` is, and the last offset of the first batch that has it. */
  #latestBefore(position: number, end: Offset): { timestamp: number; offset: Offset } {
    const times = this.#loadTimeIndex()
    const timestamp = times.timestampBefore(end)
    const latest = { timestamp, offset: times.lookup(timestamp) }
    const from = this.#loadOffsetIndex().lookup(latest.offset)
    const scanner = this.scan('headers', from, position)
    while (scanner.next() === 'batch') {
      if (scanner.view.maxTimestamp <= latest.timestamp) continue
      latest.timestamp = scanner.view.maxTimestamp
      latest.offset = scanner.view.lastOffset
    }
    return latest
  }

  /**
   * Writes what stands behind `position` once more, so that the next flush makes it durable, and gives
   * back blocks that were reserved beyond the end.
   */
  rewrite(position: number): void {
    this.writeKept()
    const file = this.#hold()
    file.truncate(this.#sizeBytes)
    const window = Buffer.allocUnsafeSlow(Math.min(rewriteBytes, this.#sizeBytes - position))
    for (let at = position; at < this.#sizeBytes; at += window.length) {
      const part = window.subarray(0, Math.min(window.length, this.#sizeBytes - at))
      this.readInto(part, at)
      file.write(part, at)
    }
  }

  /** Releases the descriptor and the mapping; bytes already handed out stay valid. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#dropTail()
    this.#handle?.disown()
    this.#handle = undefined
    this.#unmapIndexes()
    this.#offsetIndex = this.#timeIndex = undefined
  }

  /** Closes the segment and removes its files. Transfers under way finish. */
  delete(): void {
    this.close()
    for (const path of this.#paths()) this.#env.fileSystem.remove(path)
  }

  /**
   * Closes the segment and renames its files to names that every open removes. Transfers under way
   * finish.
   * @returns the new paths.
   */
  setAside(): string[] {
    this.close()
    return this.#paths().map((path) => {
      this.#env.fileSystem.rename(path, path + deletedSuffix)
      return path + deletedSuffix
    })
  }

  /** Of the files that are there, the `.log` last. */
  #paths(): string[] {
    const suffixes = [offsetIndexSuffix, timeIndexSuffix, transactionIndexSuffix, logSuffix]
    const paths = suffixes.map((suffix) => this.#pathOf(suffix))
    return paths.filter((path) => this.#env.fileSystem.stat(path) !== undefined)
  }

  corruption(position: number, reason: string): CorruptionError {
    return new CorruptionError({ path: this.path, position: position as FilePosition, reason })
  }

  #pathOf(suffix: string): string {
    return `${this.#env.directory}/${segmentFileName(this.baseOffset, suffix)}`
  }

  #hold(): SegmentFile {
    assert(this.#state !== 'closed', 'a closed segment is not used')
    this.#handle ??= this.#open('write')
    this.#handle.wasUsed = true
    return this.#handle
  }

  #open(mode: 'create' | 'write'): SegmentFile {
    return this.#env.files.open(this.path, mode, this)
  }

  /** Its file was closed for others; the next use opens it again. */
  fileEvicted(): void {
    this.#handle = undefined
  }

  #unmapIndexes(): void {
    for (const mapping of this.#indexMappings) mapping.unmap()
    this.#indexMappings = noMappings
  }

  #loadOffsetIndex(): OffsetIndex {
    if (this.#offsetIndex === undefined) {
      const index = new OffsetIndex(
        this.baseOffset,
        this.#loadEntries(offsetIndexSuffix, offsetIndexEntrySize),
      )
      if (index.isPlausible(this.#sizeBytes) && index.isConsistent()) this.#offsetIndex = index
      else this.rebuildIndexes()
    }
    assert(this.#offsetIndex !== undefined, 'a loaded index is there')
    return this.#offsetIndex
  }

  /**
   * Replaces index files that are missing or cannot belong to this segment, from its batch headers.
   * Damaged headers end it: a lookup behind the last entry comes upon them and reports them.
   */
  rebuildIndexes(): void {
    this.resetIndexes()
    const scanner = this.scan('headers')
    let nextOffset = this.baseOffset
    while (scanner.next() === 'batch') {
      const { view } = scanner
      if (this.#headerFault(view, nextOffset, undefined) !== undefined) break
      this.indexStored(view.lastOffset, scanner.position, view.sizeBytes, view.maxTimestamp)
      nextOffset = view.nextOffset
    }
    this.saveIndexes()
  }

  #loadTimeIndex(): TimeIndex {
    if (this.#timeIndex === undefined) {
      const entries = this.#loadEntries(timeIndexSuffix, timeIndexEntrySize)
      const index = new TimeIndex(this.baseOffset, entries)
      const isTrue = index.isConsistent() && this.#isTimeIndexClosed(index)
      // Looking at the batches may have shown the offset index to be wrong: both are new then.
      if (this.#timeIndex === undefined) {
        if (isTrue) this.#timeIndex = index
        else this.rebuildIndexes()
      }
    }
    assert(this.#timeIndex !== undefined, 'a loaded index is there')
    return this.#timeIndex
  }

  /**
   * Whether the last entry is the closing one: it names the batch with the largest timestamp. What
   * follows that batch is looked at as far as is cheap; usually it is the last one.
   */
  #isTimeIndexClosed(index: TimeIndex): boolean {
    const { lastTimestamp, lastOffset, entryCount } = index
    try {
      if (entryCount === 0) return (this.firstTimestamp ?? -1) < 0
      const place = this.locate(lastOffset)
      if (place === undefined) return false
      if (place.baseOffset > lastOffset || place.maxTimestamp !== lastTimestamp) return false
      const limit = Math.min(place.position + closingScanBytes, this.#sizeBytes)
      const scanner = this.scan('headers', place.position, limit)
      while (scanner.next() === 'batch') {
        if (scanner.view.maxTimestamp > lastTimestamp) return false
      }
      return true
    } catch (error) {
      // The log is damaged there: whoever reads it is told, and these entries are all there is.
      if (error instanceof CorruptionError || error instanceof CorruptBatchError) return true
      throw error
    }
  }

  #loadEntries(suffix: string, entrySize: number): EntryTable {
    const path = this.#pathOf(suffix)
    if (this.#env.fileSystem.stat(path) === undefined) return new EntryTable(entrySize)
    const file = this.#env.fileSystem.open(path, 'read')
    try {
      const sizeBytes = file.size()
      if (sizeBytes === 0) return new EntryTable(entrySize)
      if (sizeBytes <= smallIndexBytes) {
        const bytes = Buffer.allocUnsafeSlow(sizeBytes)
        return new EntryTable(entrySize, bytes.subarray(0, file.read(bytes, 0)))
      }
      const mapping = file.map(sizeBytes)
      this.#indexMappings = [...this.#indexMappings, mapping]
      return new EntryTable(entrySize, mapping.bytes)
    } finally {
      file.close()
    }
  }
}

function placeOf(batch: BatchView, position: FilePosition): BatchPlace {
  const { sizeBytes, baseOffset, lastOffset, maxTimestamp, leaderEpoch } = batch
  return { position, sizeBytes, baseOffset, lastOffset, maxTimestamp, leaderEpoch }
}
