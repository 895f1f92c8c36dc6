/**
 * One log: a topic-partition. Append at the end, read from anywhere, in dense ascending offsets.
 *
 * This is its door: what users may ask for, in which state, with which options. The rooms behind it each
 * know one thing: log-appender.ts puts batches at the end, segment-roller.ts begins segments,
 * log-start.ts and log-truncation.ts take records off either end, log-flusher.ts makes them durable,
 * log-reads.ts and log-search.ts find them.
 *
 * Past 500 lines because the door is one: half of it is what its users read.
 */
import type { Clock } from '../base/clock.ts'
import {
  ClosedError,
  FencedEpochError,
  InvalidOptionError,
  LogError,
  LogFailedError,
} from '../base/errors.ts'
import {
  functionOption,
  integerOption,
  knownOptions,
  oneOfOption,
  signalOption,
} from '../base/option-fields.ts'
import { drain, type Steps } from '../base/steps.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import type { FlushCoordinator } from '../flush/flush-coordinator.ts'
import type { FlushTarget, GroupMember } from '../flush/flush-target.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import { type CodecName, codecNames } from '../record/codec-name.ts'
import type { RecordInput } from '../record/record.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import type { SegmentList } from '../segment/segment-list.ts'
import { checkProduced, finishBatch } from './batch-intake.ts'
import { checkRun } from './follower-append.ts'
import type { EpochEnd } from './leader-epochs.ts'
import { type AppendedBatch, LogAppender, type LogState } from './log-appender.ts'
import type { LogCursor } from './log-cursor.ts'
import type { LogEnvironment } from './log-environment.ts'
import { LogFlusher } from './log-flusher.ts'
import type { LoadedLog } from './log-loader.ts'
import { LogOffsets } from './log-offsets.ts'
import {
  type Ack,
  type AppendAck,
  type AppendOptions,
  assertAwaited,
  epochOption,
  expectOption,
  type FollowOptions,
  levelOption,
  type ReadFrom,
  type ReadOptions,
  setProducer,
  type WriterOptions,
} from './log-options.ts'
import { followRecords, openCursor, readRecords, searchInSteps } from './log-reads.ts'
import {
  bytesBetween,
  coldPartOf,
  findByTimestamp,
  findMaxTimestamp,
  indexedDistance,
  type LogSlice,
  sliceOf,
  type TimedOffset,
} from './log-search.ts'
import { assertInRange } from './log-source.ts'
import { type FreedSegments, LogStart } from './log-start.ts'
import { LogTruncation } from './log-truncation.ts'
import { LogWriter } from './log-writer.ts'
import type { ProducerEntry } from './producer-state.ts'
import {
  type RawBatches,
  type RawReadAtOptions,
  type RawReadOptions,
  readRaw,
  readRawAt,
} from './raw-read.ts'
import type { RecordStream } from './record-stream.ts'
import { SavedState } from './saved-state.ts'
import { SegmentRoller } from './segment-roller.ts'

/**
 * One partition's log, from `store.log`. The store opens and closes it; what is marked internal is for
 * the store's own rooms and not in the published types.
 */
export class Log {
  readonly name: string
  readonly #env: LogEnvironment
  /** Use `#loaded` and `#offsets`, which first write what waits. */
  readonly #parts: LoadedLog
  readonly #marks: LogOffsets
  #listeners: Set<() => void> | undefined
  #isTelling = false
  #closingListeners: Set<() => void> | undefined
  #state: LogState = 'open'
  #failure: LogFailedError | undefined
  #generation = 0
  readonly #flusher: LogFlusher
  readonly #roller: SegmentRoller
  readonly #appender: LogAppender
  readonly #saved: SavedState
  /** Both made when they are needed: most logs are never cut. */
  #start: LogStart | undefined
  #truncation: LogTruncation | undefined

  /** Made by the store from what `loadLog` found. @internal */
  constructor(env: LogEnvironment, loaded: LoadedLog) {
    this.name = env.name
    this.#env = env
    this.#parts = loaded
    const { logStart, recoveryPoint, logEnd, committed } = loaded
    this.#marks = new LogOffsets(logStart, recoveryPoint, logEnd, committed)
    this.#flusher = new LogFlusher(env, loaded, this.#marks, this)
    this.#saved = new SavedState(loaded)
    this.#roller = new SegmentRoller(this, env, loaded, this.#flusher, this.#saved)
    this.#appender = new LogAppender(this, env, loaded, this.#marks, this.#flusher, this.#roller)
  }

  get #loaded(): LoadedLog {
    if (this.#appender.isUnsettled) this.#appender.settle()
    return this.#parts
  }
  get #offsets(): LogOffsets {
    if (this.#appender.isUnsettled) this.#appender.settle()
    return this.#marks
  }

  get state(): LogState {
    return this.#state
  }
  /** Why the log takes no more appends; undefined as long as it does. */
  get failure(): LogFailedError | undefined {
    return this.#failure
  }
  /** Neither failed nor closed. @internal */
  get isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'closing'
  }
  /** @internal */
  get isFailed(): boolean {
    return this.#failure !== undefined
  }
  /** What the store's coordinator makes durable. @internal */
  get flushTarget(): FlushTarget {
    return this.#flusher
  }
  /** @internal */
  get clock(): Clock {
    return this.#env.clock
  }
  get directory(): string {
    return this.#env.directory
  }

  /** First readable offset, inclusive. */
  get startOffset(): Offset {
    return this.#offsets.logStart
  }
  /** Offset the next record will get. */
  get endOffset(): Offset {
    return this.#offsets.logEnd
  }
  /** Everything below may be read by consumers, exclusive. */
  get highWatermark(): Offset {
    return this.#offsets.highWatermark
  }
  /** Everything below is of decided transactions, exclusive. */
  get lastStableOffset(): Offset {
    return this.#offsets.highWatermark
  }
  /** Everything below is on stable storage, exclusive: in its segment or in the journal. */
  get durableOffset(): Offset {
    return this.#offsets.disk
  }
  /** Everything below is on stable storage in its segment, exclusive: recovery begins here. */
  get recoveryPoint(): Offset {
    return Math.min(this.#offsets.synced, this.#truncation?.cutsAt ?? Infinity) as Offset
  }
  /** Epoch that appends are stamped with: the store's, or a replicated log's own latest. */
  get leaderEpoch(): number {
    if (this.#env.isReplicated !== true) return this.#env.leaderEpoch
    return Math.max(this.#loaded.epochs.latest, 0)
  }
  /** The embedder replicates the log: leader epochs and high watermark are its own. */
  get isReplicated(): boolean {
    return this.#env.isReplicated === true
  }

  /** Bytes of all segments, without indexes. */
  get sizeBytes(): number {
    let bytes = 0
    for (const segment of this.#loaded.segments) bytes += segment.sizeBytes
    return bytes
  }

  // LogSource: for readers of this floor.
  /** @internal */
  get segments(): SegmentList {
    return this.#loaded.segments
  }
  /** @internal */
  get offsets(): LogOffsets {
    return this.#offsets
  }
  /** @internal */
  get generation(): number {
    return this.#generation
  }
  /** Store only: how often it was truncated. Other records may stand where some were read before. */
  get truncations(): number {
    return this.#truncation?.count ?? 0
  }
  /** Store only: the names of the segments tell the next open where the log starts. @internal */
  get isStartTold(): boolean {
    const { segments } = this.#loaded
    if (this.#start?.isRemovalIncomplete === true || segments.count === 0) return false
    return segments.first.baseOffset === this.startOffset
  }
  /** @internal */
  get maxDecompressedBytes(): number {
    return this.#env.settings.maxDecompressedBytes
  }
  /** @internal */
  get isDense(): boolean {
    return this.#env.mayHaveGaps !== true
  }

  /**
   * Appends one record, or several as one batch.
   *
   * The bytes are copied before the call returns. The promise resolves when the batch reached the
   * level asked for, and says which one; appends of one log are stored in call order. When it
   * rejects with LogFailedError or ClosedError after the batch was written, the batch may still be
   * found in the log; so it may with OffsetOutOfRangeError, when one of the same turn was truncated.
   *
   * @throws (rejects) InvalidOptionError, ConflictError, OutOfOrderSequenceError,
   *         ProducerFencedError, BatchTooLargeError, InvalidBatchError, StorageError (disk full:
   *         nothing was appended, try again when there is room), LogFailedError, ClosedError.
   */
  append(
    input: RecordInput | readonly RecordInput[],
    options: AppendOptions = {},
  ): Promise<AppendAck> {
    try {
      const level = levelOption(options.level, this.#env.settings.level)
      const expect = expectOption(options.expect)
      const builder = this.#env.builders.take(this.#codecOption(options.compression))
      const now = this.#env.clock.now()
      if (!Array.isArray(input)) builder.add(input as RecordInput, now)
      else if (input.length > 0) builder.addAll(input, now)
      else
        throw new InvalidOptionError({ option: 'records', value: input, expected: 'one or more' })
      if (options.producer !== undefined) setProducer(builder, options.producer)
      else if (level === 'disk' && expect === undefined && this.#appender.takesRuns) {
        return this.#appender.appendToRun(builder)
      }
      const appended = this.appendBuilt(builder, level, expect)
      // Who truncates the log when he is told has the append rejected that waits for the disk.
      const ack = this.#appender.acked(appended, level)
      if (!appended.isDuplicate) this.tellListeners()
      return ack
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #reachedBy(offset: Offset, lastOffset: Offset, level: DurabilityLevel): Promise<Ack> {
    if (level === 'disk') await this.settled(level, lastOffset + 1)
    return { offset, lastOffset, level: level === 'memory' ? 'os' : level }
  }

  /** Hands to the kernel what waits for it. @internal */
  settle(): void {
    this.#appender.settle()
  }
  /** @internal */
  settleInFrame(): void {
    this.#appender.settle(true)
  }

  /**
   * Finishes and appends what `builder` holds: trusted, except for its size. The limit on the
   * uncompressed size is the one that reads have, so that nothing is stored that cannot be read. Nobody
   * is told: `tellListeners` when the caller has done his part.
   *
   * @param level  what the caller will wait for.
   * @param expect offset the first record must get, else ConflictError; undefined: any.
   *
   * @internal
   */
  appendBuilt(builder: BatchBuilder, level: DurabilityLevel, expect?: number): AppendedBatch {
    this.assertWritable()
    return this.#appender.store(finishBatch(builder, this.#env), level, expect)
  }

  /**
   * Appends one batch as a client sent it, at `bytes[start, end)`: validates it, writes offset and
   * epoch into it in place and hands it to the kernel; level `os` on return. It is copied only when
   * the topic stores another codec.
   *
   * A batch an idempotent producer sent before is not written again: the answer names its offsets.
   * With `level`, what the caller will wait for, `disk` costs it less; `expect` as in AppendOptions.
   *
   * @throws InvalidOptionError, ConflictError, InvalidBatchError, CorruptBatchError, UnsupportedMagicError, UnsupportedCodecError,
   *         TimestampError, BatchTooLargeError, OutOfOrderSequenceError, ProducerFencedError,
   *         StorageError, LogFailedError, ClosedError. Nothing is appended then.
   */
  appendBatch(
    bytes: Buffer,
    start: number,
    end: number,
    options: {
      readonly allowZstd: boolean
      readonly level?: DurabilityLevel
      readonly expect?: number
    },
  ): AppendedBatch {
    this.assertWritable()
    const expect = expectOption(options.expect)
    const batch = checkProduced(bytes, start, end, options.allowZstd, this.#env)
    const appended = this.#appender.store(batch, options.level ?? 'os', expect)
    if (!appended.isDuplicate) this.tellListeners()
    return appended
  }

  /** Tells of appends: last, because who is told may do anything to the log. @internal */
  tellListeners(): void {
    if (this.#listeners !== undefined) for (const listener of this.#listeners) tell(listener)
  }

  /** The same for who is in the middle of something: when this turn's call is over. @internal */
  tellSoon(): void {
    if (this.#listeners === undefined || this.#isTelling) return
    this.#isTelling = true
    queueMicrotask(() => {
      this.#isTelling = false
      this.tellListeners()
    })
  }

  // ---- for the embedder's own consensus: topics created with `replicated`

  /**
   * Stores batches as a leader wrote them, byte for byte: all or none. They begin at `offset`, which
   * is the log end; a log that was compacted may skip offsets. Offsets and leader epochs are those in
   * the batches. The bytes are copied before the call returns; appends are stored in call order.
   *
   * Producers are known afterwards as they are at the leader; nothing of a batch is decided anew.
   *
   * @param epoch   epoch of the leader that sent them, at least those in the batches.
   * @param batches one or more whole batches, end to end, as from `readRaw`: at most a segment.
   * @throws (rejects) FencedEpochError (`epoch` is lower than the log's latest), ConflictError (the
   *         log ends elsewhere), InvalidBatchError, CorruptBatchError, UnsupportedMagicError,
   *         UnsupportedCodecError, BatchTooLargeError, OffsetExhaustedError, InvalidOptionError,
   *         StorageError: nothing was appended. LogFailedError, ClosedError.
   */
  appendAt(
    offset: number,
    epoch: number,
    batches: Uint8Array,
    options: { readonly level?: DurabilityLevel } = {},
  ): Promise<Ack> {
    try {
      this.#assertReplicated('appendAt')
      this.assertWritable()
      knownOptions('appendAt', options, ['level'])
      const level = levelOption(options.level, this.#env.settings.level)
      const run = checkRun(batches, {
        log: this.name,
        offset: integerOption('offset', offset, { default: Number.NaN, min: 0 }),
        epoch: epochOption(epoch),
        logEnd: this.endOffset,
        latestEpoch: this.#loaded.epochs.latest,
        isDense: this.isDense,
      })
      this.#appender.storeRun(run, level)
      const ack = this.#reachedBy(run.baseOffset, run.lastOffset, level)
      this.tellListeners()
      return ack
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Begins leader epoch `epoch` at the log end: this log leads, and appends carry the epoch until a
   * higher one begins or a truncation reaches below its first record. Durable on return.
   *
   * @throws FencedEpochError (lower than the latest), InvalidOptionError, StorageError, LogFailedError,
   *         ClosedError.
   */
  beginEpoch(epoch: number): void {
    this.#assertReplicated('beginEpoch')
    this.assertWritable()
    const { epochs } = this.#loaded
    const { latest } = epochs
    if (epochOption(epoch) < latest) {
      throw new FencedEpochError({ log: this.name, epoch, latestEpoch: latest })
    }
    try {
      epochs.assign(epoch, this.endOffset)
    } catch (error) {
      epochs.cutEnd(this.endOffset)
      throw error
    }
  }

  /**
   * Says that everything below `offset` (exclusive, at most the log end) is committed: it becomes the
   * high watermark, which bounds what readers see, and those who wait for it are answered. It never
   * goes back but by a truncation; a lower offset changes nothing. Kept by checkpoints and a clean
   * stop: after a crash it is at least what it was at the last checkpoint, unless the log is shorter.
   *
   * Readers over the network see whole batches only.
   *
   * @throws InvalidOptionError, ClosedError.
   */
  setCommitted(offset: number): void {
    this.#assertReplicated('setCommitted')
    this.assertReadable()
    const rule = { default: Number.NaN, min: 0, max: this.endOffset }
    if (this.#offsets.committed(integerOption('committed', offset, rule) as Offset)) {
      this.tellListeners()
    }
  }

  #assertReplicated(call: string): void {
    if (this.isReplicated) return
    const expected = `true, given when the topic was created, for ${call}`
    throw new InvalidOptionError({ option: 'replicated', value: false, expected })
  }

  // ---- for atomic groups; see group-append.ts

  /** Whether this coordinator, and so its store, makes the log durable. @internal */
  isOf(commit: FlushCoordinator): boolean {
    return this.#env.commit === commit
  }

  /** Codec that batches of this log are stored with when their writer does not say. @internal */
  get storedCodec(): CodecName {
    return this.#codecOption(undefined)
  }

  /** Throws ConflictError unless the next record would get offset `expect`. @internal */
  assertEnd(expect: number): void {
    this.settle()
    this.#appender.assertEnd(expect)
  }

  /** Appends a batch from `encodeForGroup` by itself, and tells nobody. @internal */
  appendEncoded(batch: Buffer, level: DurabilityLevel): AppendedBatch {
    this.assertWritable()
    const checked = { bytes: batch, start: 0, end: batch.length, appendTimeMs: -1 }
    return this.#appender.store(checked, level)
  }

  /** The batch in `builder` as bytes of its own, checked, without a place yet. @internal */
  encodeForGroup(builder: BatchBuilder): Buffer {
    this.assertWritable()
    const { bytes, start, end } = finishBatch(builder, this.#env)
    return Buffer.from(bytes.subarray(start, end))
  }

  /** Makes the place of `batch` final, and puts it into the batch. @internal */
  placeForGroup(batch: Buffer): GroupMember {
    this.assertWritable()
    return this.#appender.placeForGroup(batch)
  }

  /**
   * Writes `batch`, whose group stands in the journal's frame `sequence`. Nobody is told yet.
   * @internal
   */
  writeForGroup(batch: Buffer, sequence: number): void {
    this.#appender.writeForGroup(batch, sequence)
  }

  /** Takes back the batch of a group that was written last; see `LogTruncation.undoGroup`. @internal */
  undoGroup(position: number, end: Offset): void {
    this.#truncating.undoGroup(position, end)
  }

  /** The group is written in all of its logs: tells of it. @internal */
  tellGroupWritten(baseOffset: Offset): void {
    this.#appender.groupWritten(baseOffset)
    this.tellListeners()
  }

  /**
   * What is remembered of idempotent producers, in no order. The entries are the log's own, and
   * change with its appends.
   */
  activeProducers(): readonly Readonly<ProducerEntry>[] {
    return [...this.#loaded.producers.entries()]
  }

  /** Seals the active segment and starts the next one at the log end. Flushed in the background. */
  roll(): void {
    this.assertWritable()
    this.#roller.roll(this.#offsets.logEnd)
  }

  /** The settings were changed: what was drawn or timed by the old ones is so anew. @internal */
  settingsChanged(): void {
    if (this.#state !== 'open') return
    this.#roller.drawJitter()
    this.#flusher.settingsChanged()
  }

  /**
   * Resolves when everything below `offset` (exclusive) has reached `level`; asks for a flush when
   * that is `disk` and not so yet. `committed`: when readers may see it, which of a log that is not
   * replicated is when it is appended.
   *
   * Rejects with the signal's reason, OffsetOutOfRangeError when it is truncated away, LogFailedError
   * (not for `committed`), ClosedError, or InvalidOptionError.
   */
  reached(
    level: DurabilityLevel | 'committed',
    offset: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    try {
      knownOptions('reached', options, ['signal'])
      assertAwaited(level, offset)
      return this.#reached(level, offset, signalOption(options.signal))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #reached(
    level: DurabilityLevel | 'committed',
    offset: number,
    signal?: AbortSignal,
  ): Promise<void> {
    if (level === 'committed') return this.#committed(offset, signal)
    if (level === 'memory') return Promise.resolve()
    if (this.#offsets.mark(level) >= offset) return Promise.resolve()
    try {
      this.assertWritable()
    } catch (error) {
      return Promise.reject(error)
    }
    if (level === 'disk' && offset > this.#offsets.logEnd) {
      // There is nothing to flush before it is written.
      const written = this.#offsets.reached('os', offset, signal)
      return written.then(() => this.#reached(level, offset, signal))
    }
    if (level === 'disk') {
      this.#env.commit.request(this.#flusher)
      // The journal had failed before this log was opened.
      if (this.#failure !== undefined) return Promise.reject(this.#failure)
    }
    return this.#offsets.reached(level, offset, signal)
  }

  async #committed(offset: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.highWatermark >= offset) return
    this.assertReadable()
    await this.#offsets.reached('highWatermark', offset, signal)
  }

  /** @internal */
  settled(level: DurabilityLevel, offset: number): Promise<void> {
    return this.#reached(level, offset)
  }

  /** Makes everything appended so far durable. */
  flush(): Promise<void> {
    return this.#reached('disk', this.#offsets.logEnd)
  }

  /** A failed flush or an unrepairable write: appends stop for good, reads go on. @internal */
  fail(cause: unknown): void {
    if (!this.isOpen) return
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure = new LogFailedError(
      `${this.name} takes no more appends until it is opened again: ${reason}`,
      { cause },
    )
    this.#state = 'failed'
    this.#env.logger.error({ log: this.name, error: reason }, 'log failed')
    // Followers wait on: what is there can be read, and closing ends them.
    this.#offsets.fail(this.#failure, 'disk')
    this.#offsets.fail(this.#failure, 'os')
  }

  /**
   * Reads records from `from` up to `to`, by default everything there is now.
   *
   * @throws OffsetOutOfRangeError `from` is outside `[startOffset, endOffset]`; during iteration,
   *         the position was trimmed away. @throws CorruptionError during iteration.
   */
  read(options: ReadOptions = {}): RecordStream {
    return readRecords(this, options)
  }

  /** Reads records from `from` on and waits for new ones, until aborted or the log is closed. */
  follow(options: FollowOptions = {}): RecordStream {
    return followRecords(this, options)
  }

  /** A cursor for reading without allocation; see LogCursor. */
  cursor(options: { readonly from?: ReadFrom; readonly verify?: boolean } = {}): LogCursor {
    return openCursor(this, options)
  }

  /** Batches records sent one at a time; see LogWriter. */
  writer(options: WriterOptions = {}): LogWriter {
    knownOptions('writer', options, ['compression', 'lingerMs', 'batchBytes', 'level'])
    return new LogWriter(this, {
      compression: this.#codecOption(options.compression),
      lingerMs: integerOption('lingerMs', options.lingerMs, { default: 5, min: 0, max: 60_000 }),
      batchBytes: integerOption('batchBytes', options.batchBytes, {
        default: Math.min(65_536, this.#env.settings.maxBatchBytes),
        min: 1,
        max: this.#env.settings.maxBatchBytes,
      }),
      level: levelOption(options.level, this.#env.settings.level),
    })
  }

  /**
   * Whole batches from the one that holds `from`, of one segment, as a file region to be released
   * by the caller. Undefined when there is nothing below `upTo` or nothing fits `maxBytes`.
   *
   * @throws OffsetOutOfRangeError `from` is outside `[startOffset, endOffset]`.
   */
  readSlice(
    from: number,
    maxBytes: number,
    options: { readonly upTo: number; readonly minOneBatch: boolean },
  ): LogSlice | undefined {
    this.assertReadable()
    assertInRange(this, from)
    return sliceOf(this.#loaded.segments, from as Offset, maxBytes, {
      upTo: options.upTo as Offset,
      minOneBatch: options.minOneBatch,
    })
  }

  /**
   * What memory lacks of that which a read from `from` looks at first, to be loaded (`file.load`) before
   * it by who must not wait for the disk, and released. Undefined when nothing is known to be missing.
   *
   * @throws OffsetOutOfRangeError `from` is outside `[startOffset, endOffset]`.
   *
   * @internal
   */
  coldPart(from: number): FileSlice | undefined {
    this.assertReadable()
    assertInRange(this, from)
    return coldPartOf(this.#loaded.segments, from as Offset)
  }

  /**
   * Whole batches as they stand in the log, from the one that holds `from` on. Undefined when there
   * is none below `upTo`. Costs a search in the index, the bytes, and their checksums.
   *
   * @throws OffsetOutOfRangeError `from` is outside `[startOffset, endOffset]`; it names both.
   *         InvalidOptionError, CorruptionError, StorageError, ClosedError.
   */
  readRaw(options: RawReadOptions): RawBatches | undefined {
    this.assertReadable()
    return readRaw(this, options)
  }

  /**
   * The same from a place, as an earlier range named it: `{ segment, position: position +
   * bytes.length }` is where the next one begins. A truncation may have put other batches there: see
   * the offsets of what is returned.
   *
   * @throws OffsetOutOfRangeError the segment was removed, or what stands there was trimmed; it names
   *         the new start. InvalidOptionError (no segment, or no batch, begins there),
   *         CorruptionError, StorageError, ClosedError.
   */
  readRawAt(options: RawReadAtOptions): RawBatches | undefined {
    this.assertReadable()
    return readRawAt(this, options)
  }

  /** Bytes readable from the batch that holds `from` up to offset `upTo`. */
  availableBytes(from: number, upTo: number): number {
    this.assertReadable()
    assertInRange(this, from)
    return bytesBetween(this.#loaded.segments, from as Offset, upTo as Offset)
  }

  /** What indexes alone tell of the way from `from` to the log end; see log-search.ts. @internal */
  indexedDistance(from: number): { readonly bytes: number; readonly timestamp: number } {
    this.assertReadable()
    assertInRange(this, from)
    return indexedDistance(this.#loaded.segments, from as Offset)
  }

  /** The first record with a timestamp of `timestampMs` or later, if it is committed. */
  offsetForTimestamp(timestampMs: number): TimedOffset | undefined {
    return drain(this.searchTimestamp(timestampMs))
  }

  /** The first record with the largest timestamp, if there is one and it is committed. */
  offsetOfMaxTimestamp(): TimedOffset | undefined {
    return drain(this.searchMaxTimestamp())
  }

  /**
   * `offsetForTimestamp` in steps: each looks at one segment, whose index may have to be read first. What
   * happens to the log between them is minded.
   *
   * @internal
   */
  searchTimestamp(timestampMs: number): Steps<TimedOffset | undefined> {
    const timestamp = integerOption('timestamp', timestampMs, { default: 0, min: 0 })
    return searchInSteps(this, () =>
      findByTimestamp(this.#loaded.segments, timestamp, this.startOffset),
    )
  }

  /** `offsetOfMaxTimestamp` in steps, as `searchTimestamp`. @internal */
  searchMaxTimestamp(): Steps<TimedOffset | undefined> {
    return searchInSteps(this, () => findMaxTimestamp(this.#loaded.segments, this.startOffset))
  }

  /**
   * Where a leader epoch ended (KIP-101, KIP-320): the largest epoch at or below `epoch` that the log
   * has, and the offset at which the next one begins; (−1, −1) when it is unknown.
   */
  endOfEpoch(epoch: number): EpochEnd {
    integerOption('epoch', epoch, { default: Number.NaN, min: -(2 ** 31) })
    const { leaderEpoch, endOffset } = this
    // The current epoch begins at the log end even before its first record is there.
    if (epoch === leaderEpoch) return { epoch, endOffset }
    return this.#loaded.epochs.endOf(epoch, endOffset)
  }

  /** Epoch of the record at `offset`, −1 when unknown. */
  epochOf(offset: number): number {
    return this.#loaded.epochs.epochOf(offset)
  }

  /**
   * Calls `listener` after every append and when more is committed, until the returned function is called;
   * once for appends that go to the kernel together. It may use the log, also to append. What it throws is an uncaught exception, as from an event listener, and no failure of the append.
   */
  onAppend(listener: () => void): () => void {
    functionOption('listener', listener)
    this.#listeners ??= new Set()
    this.#listeners.add(listener)
    return () => this.#listeners?.delete(listener)
  }

  /**
   * Calls `listener` when the log is closed, first, while it takes appends; when it goes away otherwise,
   * right after it; at once when it has. Once at most, and not after the returned function is called.
   *
   * @internal
   */
  onClosing(listener: () => void): () => void {
    if (this.#state === 'closing' || this.#state === 'closed') {
      listener()
      return () => {}
    }
    this.#closingListeners ??= new Set()
    this.#closingListeners.add(listener)
    return () => this.#closingListeners?.delete(listener)
  }

  #tellClosing(): void {
    const listeners = this.#closingListeners
    this.#closingListeners = undefined
    if (listeners !== undefined) for (const listener of listeners) listener()
  }

  /**
   * Drops records below `to` (at most the high watermark): readers get OffsetOutOfRangeError there.
   * Segments wholly below are deleted: their names are gone on return, their space is free
   * `file.delete.delay.ms` later. Durable on return. A lower `to` than the log start changes nothing.
   */
  trim(to: number): void {
    const target = this.raiseStart(to)
    if (target === undefined) return
    this.#env.onRecoveryPointLowered()
    this.assertWritable()
    this.#trimming.freeBelow(target)
  }

  /** `trim` in turns, for who must not keep others waiting. Durable when it resolves. @internal */
  async trimGently(to: number): Promise<void> {
    const target = this.raiseStart(to)
    if (target === undefined) return
    this.#env.onRecoveryPointLowered()
    await this.freeGently(target)
  }

  /**
   * Store only, the first half of a trim: readers see the new start, and nothing is deleted yet.
   * @returns what is to be made durable before `freeGently`; undefined when it is so already.
   *
   * @internal
   */
  raiseStart(to: number): Offset | undefined {
    this.assertWritable()
    const target = integerOption('to', to, {
      default: 0,
      min: 0,
      max: this.highWatermark,
    }) as Offset
    if (!this.#trimming.isBelow(target)) return undefined
    if (target > this.startOffset) {
      // An offset below the start was durable, or it could be given out again after a crash.
      if (target > this.durableOffset) this.flushNow()
      this.#trimming.raise(target)
      this.moved()
    }
    return target
  }

  /**
   * Store only, the second half: the start is durable at `start` or above, so files may go. Ends early,
   * without an error, when the log is closed or fails.
   *
   * @internal
   */
  freeGently(start: Offset): Promise<FreedSegments> {
    return this.#trimming.freeGently(start, () => this.#state === 'open')
  }

  get #trimming(): LogStart {
    this.#start ??= new LogStart(this.#env, this.#parts, this.#marks, this.#flusher)
    return this.#start
  }

  /**
   * `flush` on this thread, of the segments themselves. @throws StorageError, LogFailedError.
   * @internal
   */
  flushNow(): void {
    try {
      this.#flusher.syncNow()
    } catch (error) {
      throw this.#failure ?? error
    }
  }

  /**
   * Drops the batch that holds `to` and everything after it; `endOffset` says where the log ends
   * then. With `epoch`, of a leader that answered with `endOfEpoch`, also what is of later epochs
   * (KIP-101). Unless the log is replicated, the store begins a new leader epoch first, by which clients
   * and named consumers tell what is appended from here on from what went. Readers beyond it, and
   * appends that wait for `disk` there, get OffsetOutOfRangeError. Slices handed out before must not be
   * sent any more. Durable on return.
   *
   * @throws InvalidOptionError, ClosedError; StorageError: nothing was cut; LogFailedError: it failed
   *         half-way, and the log takes no more appends.
   */
  truncate(to: number, epoch?: number): void {
    this.assertWritable()
    let target = integerOption('to', to, { default: Number.NaN, min: 0 }) as Offset
    const { epochs } = this.#loaded
    const previousEnd = this.endOffset
    if (epoch !== undefined && epochOption(epoch) < epochs.latest) {
      target = Math.min(target, epochs.endOf(epoch, previousEnd).endOffset) as Offset
    }
    // An epoch that began and has no record ends too: the leader may send records of one before.
    if (target >= previousEnd) epochs.cutEnd(previousEnd)
    else this.#truncating.truncate(target)
  }

  get #truncating(): LogTruncation {
    this.#truncation ??= new LogTruncation(this, {
      env: this.#env,
      loaded: this.#parts,
      flusher: this.#flusher,
      start: this.#trimming,
      saved: this.#saved,
    })
    return this.#truncation
  }

  /** Places found in it before may be gone. @internal */
  moved(): void {
    this.#generation++
  }

  /**
   * Flushes, writes indexes and producer state, and closes the files. Waiters reject. A log is open as
   * long as its store is, and so has no `close`, which would leave others a log that is closed.
   * @returns whether everything is on stable storage, in place: false for a failed log.
   *
   * @internal
   */
  async closeWithStore(): Promise<boolean> {
    if (this.#state === 'closed') return true
    this.#tellClosing()
    if (this.#isAsStored) {
      this.#end()
      return true
    }
    let isSaved = false
    if (this.#state === 'open') {
      this.#state = 'closing'
      try {
        this.#loaded.segments.active.releaseReserved()
        this.#save()
        isSaved = true
      } catch (error) {
        if (!(error instanceof LogError)) throw error
        // The records are safe all the same: the next open rebuilds what could not be written.
        this.#env.logger.warn({ log: this.name, error: error.message }, 'indexes not written')
      }
      await this.#env.commit.sync(this.#flusher)
    }
    await this.#start?.finishRemoval()
    const { logEnd, synced } = this.#offsets
    const isClean = isSaved && this.#state === 'closing' && synced === logEnd
    this.#end()
    return isClean
  }

  /** Nothing changed since a clean stop: there is nothing to write or to flush. */
  get #isAsStored(): boolean {
    const { isAsStored, logEnd, segments } = this.#loaded
    if (!isAsStored || this.#state !== 'open' || !this.#flusher.isUntouched) return false
    // What was truncated or trimmed may have grown to the same end again.
    if (this.#generation > 0 || this.endOffset !== logEnd) return false
    for (const segment of segments) if (segment.areIndexFilesUnsynced) return false
    return true
  }

  #save(): void {
    this.#saved.write(this.endOffset)
    this.#flusher.touchedNames()
  }

  /**
   * Writes what lets recovery begin near the log end, if the log has grown enough since the last
   * time. The sync that follows makes it durable. @throws StorageError: nothing is lost by it.
   *
   * @internal
   */
  prepareCheckpoint(): void {
    if (this.#state !== 'open' || !this.#saved.isDue) return
    this.#save()
    this.#saved.seal()
  }

  /**
   * Index files that recovery can begin with; undefined when it begins at a segment's start.
   * @internal
   */
  get indexSeal(): IndexSeal | undefined {
    return this.#saved.indexSeal
  }

  /** Closes the files without flushing, because the log is about to be deleted. @internal */
  abandon(): void {
    if (this.#state === 'closed') return
    this.#env.commit.forget(this.#flusher)
    this.#start?.cancelRemoval()
    this.#end()
  }

  #end(): void {
    this.#state = 'closed'
    this.#flusher.end()
    this.#offsets.fail(new ClosedError(`${this.name} was closed`))
    for (const segment of this.#loaded.segments) segment.close()
    this.#tellClosing()
    this.tellListeners()
  }

  /** @internal */
  assertReadable(): void {
    if (this.#state === 'closed') throw new ClosedError(`${this.name} is closed`)
  }

  /** Settles, and throws unless the log takes appends. @internal */
  assertWritable(): void {
    if (this.#appender.isUnsettled) this.#appender.settle()
    if (this.#state === 'open') return
    if (this.#state === 'failed') throw this.#failure
    throw new ClosedError(`${this.name} is ${this.#state}`)
  }

  #codecOption(codec: CodecName | undefined): CodecName {
    const { compression } = this.#env.settings
    const preset = compression === 'producer' ? 'none' : compression
    return oneOfOption('compression', codec, { default: preset, choices: codecNames })
  }
}

/** A listener's error is its own: what it is told of has happened, and who did it has not failed. */
function tell(listener: () => void): void {
  try {
    listener()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
