/**
 * Puts batches at the end of one log: the one way into the active segment.
 *
 * A batch gets its offset, goes to the kernel and moves the marks, in this order and without yielding, so
 * appends are in call order; whoever appends tells of it when all of his part is done. What is appended for the disk may go to the kernel
 * with others instead, in the next frame of the journal (append-run.ts); whoever asks the log for
 * anything before has it `settled` first, and can tell no difference.
 */
import { assert } from '../base/assert.ts'
import { ConflictError, OffsetExhaustedError } from '../base/errors.ts'
import { type DurabilityLevel, maxOffset, type Offset } from '../base/types.ts'
import type { GroupMember } from '../flush/flush-target.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import { assignOffset, BatchView } from '../record/batch-view.ts'
import { AppendRun, maxRunBytes } from './append-run.ts'
import { type CheckedBatch, finishBatch } from './batch-intake.ts'
import type { BatchRun } from './follower-append.ts'
import type { LogEnvironment } from './log-environment.ts'
import type { LogFlusher } from './log-flusher.ts'
import type { LoadedLog } from './log-loader.ts'
import type { LogOffsets } from './log-offsets.ts'
import type { AppendAck } from './log-options.ts'
import type { SegmentRoller } from './segment-roller.ts'

export type AppendedBatch = {
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  /** When the log stamped the batch, or −1 when it keeps its producers' timestamps. */
  readonly appendTimeMs: number
  /** The batch was in the log already: `baseOffset` is where. */
  readonly isDuplicate: boolean
}

/** `closing`: it takes no more appends, and what it took is on its way to stable storage. */
export type LogState = 'open' | 'closing' | 'failed' | 'closed'

/** The log that is appended to. */
export interface AppendedLog {
  readonly name: string
  readonly isReplicated: boolean
  /** Epoch that appends are stamped with. */
  readonly leaderEpoch: number
  readonly state: LogState
  /** Settles, and throws unless the log takes appends. */
  assertWritable(): void
  fail(error: unknown): void
  /** Tells of appends: now, or when this turn's call is over. */
  tellListeners(): void
  tellSoon(): void
  /** Resolves when everything below `offset` is at `level`. */
  settled(level: DurabilityLevel, offset: number): Promise<void>
}

/** Looks at one batch at a time, within one call: one for all logs. */
const sharedView: BatchView = new BatchView()

/** Producers a log remembers before it looks for expired ones. */
const firstExpiryCheckAt = 1024

export class LogAppender {
  readonly #log: AppendedLog
  readonly #env: LogEnvironment
  readonly #loaded: LoadedLog
  readonly #offsets: LogOffsets
  readonly #flusher: LogFlusher
  readonly #roller: SegmentRoller
  /** What waits to be handed to the kernel. */
  #run: AppendRun | undefined
  #expiryCheckAt = firstExpiryCheckAt

  constructor(
    log: AppendedLog,
    env: LogEnvironment,
    loaded: LoadedLog,
    offsets: LogOffsets,
    flusher: LogFlusher,
    roller: SegmentRoller,
  ) {
    this.#log = log
    this.#env = env
    this.#loaded = loaded
    this.#offsets = offsets
    this.#flusher = flusher
    this.#roller = roller
  }

  // ---- runs

  /** Something waits: `settle` before anybody looks at the log. */
  get isUnsettled(): boolean {
    return this.#run !== undefined
  }

  /** Whether what is appended for the disk now may wait for the next frame of the journal. */
  get takesRuns(): boolean {
    if (this.#run !== undefined) return true
    if (this.#log.isReplicated || this.#loaded.segments.active.sizeBytes === 0) return false
    return this.#flusher.canCapture(0)
  }

  /** Appends what `builder` holds for the disk, with others of this turn. The log `takesRuns`. */
  async appendToRun(builder: BatchBuilder): Promise<AppendAck> {
    if (this.#log.state !== 'open') this.#log.assertWritable()
    const batch = finishBatch(builder, this.#env)
    const { bytes, start, end } = batch
    const sizeBytes = end - start
    const { recordCount, maxTimestamp } = sharedView.at(bytes, start)
    const waitingBytes = this.#run?.sizeBytes ?? 0
    const offset = this.#run?.endOffset ?? this.#offsets.logEnd
    const lastOffset = (offset + recordCount - 1) as Offset
    const runBytes = waitingBytes + sizeBytes
    const isOver = runBytes > maxRunBytes || lastOffset >= maxOffset
    if (isOver || this.#roller.isDue(runBytes, lastOffset, maxTimestamp)) {
      this.#log.assertWritable()
      const ack = this.acked(this.store(batch, 'disk'), 'disk')
      this.#log.tellListeners()
      return ack
    }
    const run = (this.#run ??= new AppendRun(offset, this.#env.leaderEpoch))
    assignOffset(bytes, start, offset, run.leaderEpoch)
    this.#loaded.segments.active.wait(bytes, start, end)
    run.add(sizeBytes, lastOffset, maxTimestamp)
    this.#env.commit.request(this.#flusher)
    await run.durable
    return { offset, lastOffset, level: 'disk', isDuplicate: false }
  }

  /** Resolves when what was appended is at the level asked for. */
  async acked(appended: AppendedBatch, asked: DurabilityLevel): Promise<AppendAck> {
    const { baseOffset: offset, lastOffset, isDuplicate } = appended
    if (asked === 'disk') await this.#log.settled(asked, lastOffset + 1)
    // A batch is handed to the kernel at once, so `memory` is never the level reached.
    const level = asked === 'memory' ? 'os' : asked
    return { offset, lastOffset, level, isDuplicate }
  }

  /**
   * Hands to the kernel what waits for it. An error is that of the appends that waited.
   * @param isInFrame the kernel gets it in this turn in a frame of the journal, if that can be.
   */
  settle(isInFrame = false): void {
    const run = this.#run
    if (run === undefined) return
    this.#run = undefined
    try {
      const { state } = this.#log
      if (state !== 'open' && state !== 'closing') this.#log.assertWritable()
      this.#writeRun(run, isInFrame)
    } catch (error) {
      this.#loaded.segments.active.dropWaiting()
      run.fail(error)
      return
    }
    run.written(this.#offsets)
    this.#log.tellSoon()
  }

  #writeRun(run: AppendRun, isInFrame: boolean): void {
    const { sizeBytes, batches, baseOffset, endOffset, leaderEpoch } = run
    const { segments, producers, epochs } = this.#loaded
    const { active } = segments
    epochs.note(leaderEpoch, baseOffset)
    const isKept = isInFrame && this.#flusher.canCapture(sizeBytes) && active.canKeepWaiting()
    const bytes = active.waiting
    let position: number
    try {
      position = active.appendWaiting(batches, isKept)
    } catch (error) {
      if (active.isTorn) this.#log.fail(error)
      throw error
    }
    producers.endOffset = endOffset
    this.#offsets.written(endOffset)
    const isCaptured = this.#flusher.wrote(bytes, 0, bytes.length, position, true)
    assert(isCaptured || !isKept, 'what is not in the file is in the frame')
    this.#flusher.schedule(baseOffset)
  }

  // ---- one batch: the log is writable, nothing waits, and the caller tells of it when he is done

  /** Gives a valid batch its place and writes it. @throws as `Log.appendBatch`. */
  store(batch: CheckedBatch, level: DurabilityLevel, expect?: number): AppendedBatch {
    const { bytes, start, end, appendTimeMs } = batch
    const view = sharedView.at(bytes, start)
    if (view.producerId >= 0) {
      const known = this.#loaded.producers.check(view)
      if (known !== undefined) {
        return {
          baseOffset: (known.lastOffset - known.offsetDelta) as Offset,
          lastOffset: known.lastOffset,
          appendTimeMs: appendTimeMs < 0 ? -1 : known.timestamp,
          isDuplicate: true,
        }
      }
    }
    if (expect !== undefined) this.assertEnd(expect)
    this.#makeRoom(view)
    const baseOffset = this.#offsets.logEnd
    const position = this.#write(view, bytes, start, end, { isJournaled: false })
    const lastOffset = (this.#offsets.logEnd - 1) as Offset
    this.#flusher.wrote(bytes, start, end, position, level === 'disk')
    this.#flusher.schedule(baseOffset)
    return { baseOffset, lastOffset, appendTimeMs, isDuplicate: false }
  }

  /** @throws ConflictError unless the next record would get offset `expect`. */
  assertEnd(expect: number): void {
    const { logEnd: found } = this.#offsets
    if (found !== expect) throw new ConflictError({ log: this.#log.name, expected: expect, found })
  }

  /** Begins a new segment if the batch needs one. */
  #makeRoom(view: BatchView): void {
    const { logEnd } = this.#offsets
    const lastOffset = (logEnd + view.lastOffsetDelta) as Offset
    if (lastOffset >= maxOffset) {
      throw new OffsetExhaustedError(`${this.#log.name} has no offsets left after ${logEnd}`)
    }
    this.#roller.rollIfDue(view.sizeBytes, lastOffset, view.maxTimestamp, logEnd)
  }

  /**
   * Writes the batch that `view` stands on to the active segment and moves the marks.
   * @param isJournaled the kernel has it in a frame of the journal.
   */
  #write(
    view: BatchView,
    bytes: Buffer,
    start: number,
    end: number,
    { isJournaled }: { readonly isJournaled: boolean },
  ): number {
    const { segments, producers, epochs } = this.#loaded
    const baseOffset = this.#offsets.logEnd
    const lastOffset = (baseOffset + view.lastOffsetDelta) as Offset
    const { maxTimestamp } = view
    const { leaderEpoch } = this.#log
    epochs.note(leaderEpoch, baseOffset)
    assignOffset(bytes, start, baseOffset, leaderEpoch)
    const { active } = segments
    let position: number
    try {
      position = isJournaled
        ? active.appendJournaled(bytes, start, end, lastOffset, maxTimestamp)
        : active.append(bytes, start, end, lastOffset, maxTimestamp)
    } catch (error) {
      if (active.isTorn) this.#log.fail(error)
      throw error
    }
    producers.note(view)
    this.#expireProducers()
    this.#offsets.written((lastOffset + 1) as Offset)
    return position
  }

  /** Keeps the producers remembered within twice those that are not expired. */
  #expireProducers(): void {
    const { producers } = this.#loaded
    if (producers.producerCount <= this.#expiryCheckAt) return
    producers.expire(this.#env.clock.now() - this.#env.settings.producerExpiryMs)
    this.#expiryCheckAt = Math.max(firstExpiryCheckAt, 2 * producers.producerCount)
  }

  // ---- batches as a leader wrote them

  /** Writes batches that keep their offsets and epochs. @throws as `Log.appendAt`. */
  storeRun({ bytes, batches, lastOffset, maxTimestamp }: BatchRun, level: DurabilityLevel): void {
    const { segments, epochs, producers } = this.#loaded
    const { logEnd: previousEnd } = this.#offsets
    this.#roller.rollIfDue(bytes.length, lastOffset, maxTimestamp, previousEnd)
    let position: number
    try {
      for (const { leaderEpoch, baseOffset } of batches) epochs.note(leaderEpoch, baseOffset)
      // Recovery knows the epochs by the file: a new one stands there before its first record.
      epochs.save()
      position = segments.active.appendRun(bytes, batches)
    } catch (error) {
      epochs.cutEnd(previousEnd)
      if (segments.active.isTorn) this.#log.fail(error)
      throw error
    }
    for (const { at } of batches) producers.note(sharedView.at(bytes, at))
    this.#expireProducers()
    this.#offsets.written((lastOffset + 1) as Offset)
    this.#flusher.wrote(bytes, 0, bytes.length, position, level === 'disk')
    this.#flusher.schedule(previousEnd)
  }

  // ---- atomic groups; see group-append.ts

  /** Makes the place of `batch` final, and puts it into the batch. */
  placeForGroup(batch: Buffer): GroupMember {
    const view = sharedView.at(batch, 0)
    this.#makeRoom(view)
    const { logEnd } = this.#offsets
    assignOffset(batch, 0, logEnd, this.#log.leaderEpoch)
    return this.#flusher.groupMember(batch, (logEnd + view.lastOffsetDelta + 1) as Offset)
  }

  /** Writes `batch`, whose group stands in the journal's frame `sequence`. Nobody is told yet. */
  writeForGroup(batch: Buffer, sequence: number): void {
    const view = sharedView.at(batch, 0)
    this.#write(view, batch, 0, batch.length, { isJournaled: true })
    this.#flusher.wroteGroup(batch.length, sequence)
  }

  /** The group, which began here at `baseOffset`, is written in all of its logs. */
  groupWritten(baseOffset: Offset): void {
    this.#flusher.schedule(baseOffset)
  }
}
