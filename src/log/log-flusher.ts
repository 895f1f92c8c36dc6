/**
 * How one log becomes durable: which of its bytes are where on their way from the page cache to
 * stable storage, and what the flush coordinator asks of it.
 *
 * | place     | everything before it is                                                            |
 * | --------- | ---------------------------------------------------------------------------------- |
 * | durable   | on stable storage, in the segment or in the journal; the `disk` mark follows       |
 * | staged    | durable, or in a journal frame that is being filled or written                     |
 *
 * Bytes appended for level `disk` right behind the staged place go into the forming frame at once,
 * without being read again; what others left between is read back when a round begins.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Timer } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import { forEachLimited } from '../base/for-each-limited.ts'
import type { Offset } from '../base/types.ts'
import { isFlushDue, maxStagedBytes } from '../flush/flush-policy.ts'
import type { FlushTarget, GroupMember, StagePlan } from '../flush/flush-target.ts'
import { encodePrefix, type RedoPrefix } from '../flush/journal-format.ts'
import type { JournalFrame } from '../flush/journal-frame.ts'
import { isOutOfDescriptors } from '../platform/storage-failure.ts'
import type { Segment } from '../segment/segment.ts'
import type { LogEnvironment } from './log-environment.ts'
import type { LoadedLog } from './log-loader.ts'
import type { LogOffsets } from './log-offsets.ts'

/** The log that a flusher works for. */
export interface FlushedLog {
  readonly isOpen: boolean
  readonly isFailed: boolean
  fail(error: unknown): void
  /** Hands to the kernel what waits for it. */
  settle(): void
  /** The same with the frame that is being filled, if that can be. */
  settleInFrame(): void
}

type Place = { segment: Segment; position: number }

/** A sync for which no file can be opened is tried again so often, in so many ms, before it fails the log. */
const mostWaits = 200
const waitMs = 20

export class LogFlusher implements FlushTarget {
  readonly #env: LogEnvironment
  readonly #loaded: LoadedLog
  readonly #offsets: LogOffsets
  readonly #log: FlushedLog
  #madePrefix: RedoPrefix | undefined
  #durable: Place | undefined
  #staged: Place | undefined
  /** Captured since the last round. */
  #capturedBytes = 0
  /** Where the log ended when its bytes were staged. */
  #stagedEnd: Offset
  /** Frame of the last atomic group that the log was part of. */
  #groupSequence = 0
  #truncationCount = 0
  #stagedTruncationCount = 0
  /** How often names or index files were touched, and how many of these times are durable. */
  #touches = 1
  #syncedTouches = 0
  /** In elapsed time; long ago until it is known, so that what stands there is not kept waiting. */
  #firstUnflushedMs = Number.MIN_SAFE_INTEGER
  #timer: Timer | undefined

  constructor(env: LogEnvironment, loaded: LoadedLog, offsets: LogOffsets, log: FlushedLog) {
    this.#env = env
    this.#loaded = loaded
    this.#offsets = offsets
    this.#log = log
    this.#stagedEnd = offsets.disk
    if (offsets.disk === offsets.logEnd) {
      const segment = loaded.segments.active
      this.#durable = this.#staged = { segment, position: segment.sizeBytes }
    }
  }

  /** What names the log in the journal; made when it first gets there. */
  get #prefix(): RedoPrefix {
    const { name: directoryName, topicId } = this.#env
    this.#madePrefix ??= encodePrefix({ directoryName, topicId })
    return this.#madePrefix
  }

  get isFailed(): boolean {
    return this.#log.isFailed
  }

  /** Whether the forming frame takes `length` bytes that are appended next. */
  canCapture(length: number): boolean {
    const { active } = this.#loaded.segments
    return this.#isNextInFrame(active, active.sizeBytes, length)
  }

  #isNextInFrame(active: Segment, position: number, length: number): boolean {
    const staged = this.#staged
    if (staged?.segment !== active || staged.position !== position) return false
    if (this.#capturedBytes + length > maxStagedBytes) return false
    return this.#env.commit.canCapture(this.#prefix, length)
  }

  settle(): void {
    this.#log.settleInFrame()
  }

  /**
   * Bytes were appended at `position` of the active segment, and the marks have moved.
   * @param isAwaited somebody will wait for them to be durable.
   * @returns whether they are in the frame that goes to the journal next.
   */
  wrote(bytes: Buffer, start: number, end: number, position: number, isAwaited: boolean): boolean {
    const { commit } = this.#env
    const length = end - start
    const { active } = this.#loaded.segments
    const isCaptured = isAwaited && this.#isNextInFrame(active, position, length)
    if (isCaptured) {
      const { logEnd } = this.#offsets
      commit.capture(this, this.#prefix, active.baseOffset, position, logEnd, bytes, start, end)
      this.#capturedBytes += length
      this.#staged = { segment: active, position: position + length }
    }
    // Last: it may begin a checkpoint, which syncs this log in this turn.
    commit.wrote(length)
    return isCaptured
  }

  /**
   * The next segment is about to be made. A log that lost its first segment's name to a crash, and not
   * the second's, would begin with a hole; those after it recovery can tell by the one before.
   */
  rolling(): void {
    if (this.#syncedTouches > 0) return
    this.#syncDirectory()
    this.#syncedTouches = 1
  }

  /**
   * The log's start is about to become durable. Records below it that only the journal has count as
   * trimmed there, with their segment: a log that then lost its last segment's name would end before it
   * begins.
   */
  raisingStart(): void {
    if (this.#syncedTouches < this.#touches) this.#syncDirectory()
  }

  #syncDirectory(): void {
    try {
      this.#env.fileSystem.syncDirectorySync(this.#env.directory)
    } catch (error) {
      this.#log.fail(error)
      throw error
    }
  }

  /** The active segment was sealed, and a new one is there. */
  rolled(previous: Segment): void {
    this.#touches++
    const { active } = this.#loaded.segments
    // Nothing is left behind in the old segment: the next frames begin in the new one.
    if (this.#staged?.segment === previous && this.#staged.position === previous.sizeBytes) {
      this.#staged = { segment: active, position: 0 }
    }
    void this.#env.commit.sync(this)
  }

  /** Asks for a flush that is due by the topic's policy, now or later. */
  schedule(baseOffset: Offset): void {
    const { flush } = this.#env.settings
    if (flush.maxUnflushedRecords === Infinity && flush.maxUnflushedMs === Infinity) return
    const { logEnd, disk } = this.#offsets
    const now = this.#env.clock.elapsedMs()
    if (disk >= baseOffset) this.#firstUnflushedMs = now
    if (isFlushDue(flush, logEnd - disk, now - this.#firstUnflushedMs)) {
      this.#env.commit.request(this)
    } else if (flush.maxUnflushedMs !== Infinity) {
      this.#timer ??= this.#env.clock.after(flush.maxUnflushedMs, () => {
        this.#timer = undefined
        if (this.#log.isOpen) this.#env.commit.request(this)
      })
    }
  }

  /**
   * The policy was changed: what waits for its time by the old one is flushed now, so that a shorter
   * time holds from here on.
   */
  settingsChanged(): void {
    if (this.#timer === undefined) {
      this.schedule(this.#offsets.logEnd)
      return
    }
    this.#timer.cancel()
    this.#timer = undefined
    this.#env.commit.request(this)
  }

  stage(frame: JournalFrame | undefined): StagePlan {
    this.#capturedBytes = 0
    const { logEnd, disk } = this.#offsets
    if (!this.#log.isOpen || logEnd === disk) return 'clean'
    const { active } = this.#loaded.segments
    const staged = this.#staged
    if (frame === undefined || staged?.segment !== active) return 'sync'
    const { sizeBytes } = active
    if (staged.position < sizeBytes) {
      if (!this.#readBack(frame, active, staged.position)) return 'sync'
      this.#staged = { segment: active, position: sizeBytes }
    }
    this.#stagedEnd = logEnd
    this.#stagedTruncationCount = this.#truncationCount
    return 'staged'
  }

  /** Puts what was written behind `position` and not captured into the frame. */
  #readBack(frame: JournalFrame, active: Segment, position: number): boolean {
    const length = active.sizeBytes - position
    if (length > maxStagedBytes) return false
    const { baseOffset } = active
    const place = { baseOffset, position, endOffset: this.#offsets.logEnd }
    try {
      return frame.addRead(this.#prefix, place, length, (target) => {
        active.readInto(target, position)
      })
    } catch (error) {
      // A sync of the segment tells whether it is the disk that is ill.
      if (error instanceof LogError) return false
      this.#log.fail(error)
      return false
    }
  }

  get keptBytes(): number {
    return this.#log.isOpen ? this.#loaded.segments.active.keptBytes : 0
  }

  writeBehind(): void {
    const { active } = this.#loaded.segments
    try {
      active.writeKept()
    } catch (error) {
      // Nothing is lost: it is tried again by whoever needs the room, and told to him.
      if (!(error instanceof LogError) || active.isTorn) this.#log.fail(error)
    }
  }

  journaled(): void {
    if (!this.#log.isOpen) return
    if (this.#stagedTruncationCount !== this.#truncationCount) {
      this.#env.commit.request(this)
      return
    }
    // What was captured meanwhile is in the next frame: durable is where this one ended.
    this.#offsets.flushed(this.#stagedEnd)
    if (this.#capturedBytes === 0) this.#durable = this.#staged
  }

  unstage(): void {
    this.#capturedBytes = 0
    this.#staged = this.#durable
    this.#writeKept()
  }

  /** What a frame had that the kernel does not get goes to the segment's file. */
  #writeKept(): void {
    try {
      this.#loaded.segments.active.writeKept()
    } catch (error) {
      if (this.#log.isOpen) this.#log.fail(error)
    }
  }

  stageAll(frame: JournalFrame): boolean {
    if (!this.#log.isOpen) return false
    const { active } = this.#loaded.segments
    if (this.#staged?.segment !== active) {
      if (this.#offsets.disk !== this.#offsets.logEnd) return false
      this.#staged = this.#end()
    } else if (this.#staged.position < active.sizeBytes) {
      if (!this.#readBack(frame, active, this.#staged.position)) return false
      this.#staged = this.#end()
    }
    return true
  }

  /** What the log contributes to a group that is appended next. */
  groupMember(bytes: Buffer, endOffset: Offset): GroupMember {
    const { baseOffset, sizeBytes } = this.#loaded.segments.active
    const place = { baseOffset, position: sizeBytes, endOffset }
    return { target: this, prefix: this.#prefix, place, bytes }
  }

  /** The bytes of the group in frame `sequence` were written, right behind what was staged. */
  wroteGroup(sizeBytes: number, sequence: number): void {
    this.#groupSequence = sequence
    this.#staged = this.#end()
    // Last: it may begin a checkpoint, which syncs this log in this turn.
    this.#env.commit.wrote(sizeBytes)
  }

  async sync(): Promise<void> {
    for (let waits = 0; !(await this.#trySync(waits < mostWaits)); waits++) {
      this.#env.commit.tellShortage()
      await wait(waitMs)
    }
  }

  /** @returns false when there was no descriptor for it, if it `mayWait`: else that fails the log. */
  async #trySync(mayWait: boolean): Promise<boolean> {
    this.#log.settle()
    if (!this.#log.isOpen) return true
    const { logEnd, synced } = this.#offsets
    if (logEnd === synced && this.#syncedTouches === this.#touches) return true
    const place = this.#end()
    const truncationCount = this.#truncationCount
    try {
      // What is touched from here on, as by a close, is for the next sync.
      const touches = this.#touches
      // A batch of a group counts only with its frame, so it is not durable before that is.
      const frames = this.#env.commit.framesDurable(this.#groupSequence)
      await Promise.all([frames, this.#flushSegments()])
      const isRenamed = await this.#saveEpochs()
      if (this.#syncedTouches < touches || isRenamed) {
        await this.#env.fileSystem.syncDirectory(this.#env.directory)
        this.#syncedTouches = Math.max(this.#syncedTouches, touches)
      }
    } catch (error) {
      // What could not be opened was not synced either: that it fails says nothing of the disk.
      if (mayWait && isOutOfDescriptors(error)) return false
      if (this.#log.isOpen) this.#log.fail(error)
      return true
    }
    if (!this.#log.isOpen) return true
    if (truncationCount === this.#truncationCount) this.#nowDurable(place, logEnd)
    else this.#env.commit.request(this)
    return true
  }

  /**
   * Some at a time: each has up to three files open until they are durable. A sync that failed comes
   * before one for which there was no descriptor: it must never be tried again.
   */
  async #flushSegments(): Promise<void> {
    const dirty = this.#dirtySegments()
    if (dirty.length === 1) return dirty[0]?.flush()
    const atOnce = Math.max(1, Math.min(dirty.length, this.#env.fileSystem.syncsAtOnce))
    let shortage: { readonly error: unknown } | undefined
    await forEachLimited(dirty, atOnce, async (segment) => {
      // It may have been trimmed or cut off meanwhile.
      if (segment.state === 'closed' || shortage !== undefined) return
      try {
        await segment.flush()
      } catch (error) {
        if (!isOutOfDescriptors(error)) throw error
        shortage = { error }
      }
    })
    if (shortage !== undefined) throw (shortage as { readonly error: unknown }).error
  }

  /**
   * Writes the epochs off this thread, where the sync of the directory is still to come; what it could
   * not write is left to `#nowDurable`. @returns whether there is a name to be made durable.
   */
  async #saveEpochs(): Promise<boolean> {
    try {
      return await this.#loaded.epochs.saveLater(() => this.#log.isOpen)
    } catch (error) {
      if (error instanceof LogError) return false
      throw error
    }
  }

  syncNow(): void {
    this.#log.settle()
    const place = this.#end()
    try {
      this.#env.commit.framesDurableNow(this.#groupSequence)
      const dirty = this.#dirtySegments()
      // A sync under way may fail and leave pages that count as written: they become dirty again.
      if (this.#env.commit.isSyncing(this)) this.#writeAgain(dirty)
      for (const segment of dirty) segment.flushSync()
      this.#env.fileSystem.syncDirectorySync(this.#env.directory)
    } catch (error) {
      this.#log.fail(error)
      throw error
    }
    this.#syncedTouches = this.#touches
    this.#nowDurable(place, this.#offsets.logEnd)
  }

  #writeAgain(dirty: readonly Segment[]): void {
    const { synced } = this.#offsets
    for (const segment of dirty) {
      const isPartly = segment.baseOffset < synced
      segment.rewrite(isPartly ? (segment.locate(synced)?.position ?? segment.sizeBytes) : 0)
    }
  }

  #end(): Place {
    const segment = this.#loaded.segments.active
    return { segment, position: segment.sizeBytes }
  }

  /** Everything before `place`, where the log ended at `logEnd`, is durable in its segments. */
  #nowDurable(place: Place, logEnd: Offset): void {
    if (isBehind(this.#durable, place)) this.#durable = place
    if (isBehind(this.#staged, place)) this.#staged = place
    this.#offsets.flushed(logEnd)
    try {
      // A recovery point beyond an epoch's first record needs the epoch's entry on disk.
      this.#loaded.epochs.save()
    } catch (error) {
      if (!(error instanceof LogError)) this.#log.fail(error)
      // The recovery point stays where it is, and with it what recovery looks at.
      else
        this.#env.logger.warn({ log: this.#env.name, error: error.message }, 'epochs not written')
      return
    }
    this.#offsets.syncedTo(logEnd)
  }

  /** No name and no index file was touched since the log was loaded. */
  get isUntouched(): boolean {
    return this.#touches === 1
  }

  /** Files were written whose names, or index content, the next sync must make durable. */
  touchedNames(): void {
    this.#touches++
  }

  /** Segments with bytes, or index files, that may not be durable. */
  #dirtySegments(): Segment[] {
    const { segments } = this.#loaded
    return Array.from(segments).filter((segment) => {
      const next = segments.after(segment)
      const isSynced = next !== undefined && next.baseOffset <= this.#offsets.synced
      return !isSynced || segment.areIndexFilesUnsynced
    })
  }

  /** Voids what the journal holds from `position` of `segment` on, before the files are cut. */
  cut(segment: Segment, position: number, endOffset: Offset): void {
    const place = { baseOffset: segment.baseOffset, position, endOffset }
    this.#env.commit.cut(this, this.#prefix, place)
    // Last, because noting it may have begun a sync of what is about to go.
    this.#truncationCount++
  }

  /** The batch of the last group goes again; its frame says so already. */
  undoing(): void {
    this.#truncationCount++
  }

  /** The files end here now, durably. */
  truncated(): void {
    this.#capturedBytes = 0
    this.#durable = undefined
    this.#staged = undefined
    if (this.#offsets.disk === this.#offsets.logEnd) this.#durable = this.#staged = this.#end()
  }

  fail(error: unknown): void {
    if (!this.#log.isOpen) return
    this.#writeKept()
    if (this.#log.isOpen) this.#log.fail(error)
  }

  /** The log is closed; nothing is asked of this object any more. */
  end(): void {
    this.#timer?.cancel()
  }
}

function isBehind(one: Place | undefined, other: Place): boolean {
  if (one === undefined) return true
  if (one.segment === other.segment) return one.position < other.position
  return one.segment.baseOffset < other.segment.baseOffset
}
