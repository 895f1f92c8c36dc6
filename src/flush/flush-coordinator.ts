/**
 * Makes what logs wrote durable: one per store, so that one sync serves every log.
 *
 * While a sync runs the next round forms; a caller waits for two of them at most. In a round each
 * log either puts its dirty bytes into the round's journal frame (few bytes), or has its segment
 * files synced directly (many); flush-policy.ts draws the line. The frame goes to the journal with
 * one write and one fdatasync. What it holds is written back later: when a journal region is full,
 * the segments of every log in it are synced in the background while the other region fills.
 *
 * A failed sync of the journal is final for the store, one of a segment for its log; neither is ever
 * tried again. Frames of a failed log stay in the journal for the next open to replay.
 *
 * Past 500 lines because rounds, truncations and groups share the one forming frame and the one rule of
 * when a region may be used again.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import {
  BatchTooLargeError,
  ClosedError,
  InvalidOptionError,
  LogFailedError,
  StorageError,
} from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import { kibibyte, mebibyte } from '../base/units.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { GroupMark } from '../record/group-mark.ts'
import { SyncPace, writeBackAtOnce } from './flush-policy.ts'
import type { FlushTarget, GroupMember } from './flush-target.ts'
import { Journal, journalFileName } from './journal.ts'
import { journalPageBytes, minRegionBytes, type RedoPrefix } from './journal-format.ts'
import { type FrameState, JournalFrame, type RedoPlace } from './journal-frame.ts'
import { removeJournal } from './journal-replay.ts'
import { SegmentSyncs } from './segment-syncs.ts'

export type CoordinatorOptions = {
  readonly fileSystem: FileSystem
  /** The data directory. */
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Sizes that the journal file may have, best first: it is made with the first that the disk has room
   * for. Asked when it is made; none, or 0: every flush syncs segments.
   */
  readonly journalSizes: () => readonly number[]
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** `onCheckpointDue` is called, once until `checkpointed`, when this many bytes were written since. */
  readonly checkpointBytes: number
  readonly onCheckpointDue: () => void
  /** The journal failed: no log of the store can become durable any more. */
  readonly onFailure: (error: unknown) => void
}

/** More than lie between an acknowledgement and what its receiver does next, a few layers up. */
const maxMicrotasks = 64
/** How long syncs on this thread may keep the event loop, in ms, before it gets its turn. */
const inlineTurnMs = 1

/** What a log keeps in memory goes to its file in pieces of about this size, half of what it may keep. */
const writeBehindBytes = 64 * kibibyte

/** Between two lines about descriptors, in ms. */
const shortageLineMs = 10_000

const noTargets: ReadonlySet<FlushTarget> = new Set()

export class FlushCoordinator {
  readonly #options: CoordinatorOptions
  #requested = new Set<FlushTarget>()
  #round: Promise<void> | undefined
  #forming: JournalFrame | undefined
  #spare: JournalFrame | undefined
  /** Targets with bytes in the forming frame. */
  #captured = new Set<FlushTarget>()
  #journal: Journal | undefined
  #journalState: 'disabled' | 'wanted' | 'made' | 'closed' = 'disabled'
  #making: Promise<void> | undefined
  #makeError: unknown
  /** Syncs of segments that rounds have cost for want of a journal. */
  #syncsInstead = 0
  readonly #pace = new SyncPace()
  #wasInline = false
  /** One caller alone waited for the last round. */
  #wasAlone = false
  /** Targets with frames in a region, until it is free for good. */
  readonly #inRegion = [new Set<FlushTarget>(), new Set<FlushTarget>()]
  #draining: Promise<void> | undefined
  /** Targets of the groups since the last round began; undefined when there were several. */
  #onlyGroup: ReadonlySet<FlushTarget> | undefined = noTargets
  /** The last group's frame, and what it held before the group. */
  #beforeGroup: { readonly frame: JournalFrame; readonly state: FrameState } | undefined
  readonly #syncs: SegmentSyncs
  #failure: { readonly error: unknown } | undefined
  #bytesSinceCheckpoint = 0
  #shortageToldMs = -Infinity

  constructor(options: CoordinatorOptions) {
    this.#options = options
    this.#syncs = new SegmentSyncs(options.fileSystem.syncsAtOnce)
  }

  /** Sizes of a region of the journal, best first. */
  get #regionSizes(): readonly number[] {
    return this.#options
      .journalSizes()
      .map((bytes) => Math.floor(bytes / 2 / journalPageBytes) * journalPageBytes)
      .filter((bytes) => bytes >= minRegionBytes)
  }

  /** From here on a journal may be made: what an earlier one held was replayed. */
  enableJournal(): void {
    if (this.#regionSizes.length > 0) this.#journalState = 'wanted'
  }

  /** Says that a sync waits for a descriptor, once in a while: there may be hundreds. */
  tellShortage(): void {
    const { clock, logger } = this.#options
    const now = clock.elapsedMs()
    if (now - this.#shortageToldMs < shortageLineMs) return
    this.#shortageToldMs = now
    logger.warn({}, 'no file can be opened: syncs wait for a descriptor')
  }

  /** Puts `target` into the next round, which starts when the current turn of the loop ends. */
  request(target: FlushTarget): void {
    if (this.#failure !== undefined) {
      target.fail(this.#failure.error)
      return
    }
    this.#requested.add(target)
    this.#round ??= this.#run()
  }

  /** Counts bytes handed to the kernel; asks for a checkpoint now and then. */
  wrote(sizeBytes: number): void {
    const { checkpointBytes, onCheckpointDue } = this.#options
    const before = this.#bytesSinceCheckpoint
    this.#bytesSinceCheckpoint = before + sizeBytes
    if (before < checkpointBytes && before + sizeBytes >= checkpointBytes) onCheckpointDue()
  }

  /** Share of the bytes between two checkpoints that was written since the last one began: 1 when one is due. */
  get checkpointShare(): number {
    return this.#bytesSinceCheckpoint / this.#options.checkpointBytes
  }

  /** A checkpoint has begun: bytes are counted anew. */
  checkpointed(): void {
    this.#bytesSinceCheckpoint = 0
  }

  /** Whether `capture` of so many bytes would find room. */
  canCapture(prefix: RedoPrefix, length: number): boolean {
    return this.#failure === undefined && this.#forming?.hasRoom(prefix, length) === true
  }

  /**
   * Takes `bytes[start, end)`, appended at `position` of a segment, into the forming frame, for which
   * it `canCapture`: they need not be read again.
   */
  capture(
    target: FlushTarget,
    prefix: RedoPrefix,
    baseOffset: Offset,
    position: number,
    endOffset: Offset,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const frame = this.#forming as JournalFrame
    const isTaken = frame.addWrite(prefix, baseOffset, position, endOffset, bytes, start, end)
    assert(isTaken, 'the frame has room')
    this.#captured.add(target)
  }

  /**
   * Syncs the segments of `target`: resolves when what was written before the call is durable there
   * or the target failed. Never rejects.
   */
  sync(target: FlushTarget): Promise<void> {
    return this.#syncs.sync(target)
  }

  /** A sync of the segments of `target` is under way. */
  isSyncing(target: FlushTarget): boolean {
    return this.#syncs.isSyncing(target)
  }

  /** Syncs all of `targets`, a few at a time; each is asked for when its turn comes. */
  syncAll(targets: Iterable<FlushTarget>): Promise<void> {
    return this.#syncs.syncAll(targets)
  }

  /** The same without haste, until `isUrgent`. */
  syncGently(targets: Generator<FlushTarget>, isUrgent: () => boolean): Promise<void> {
    return this.#syncs.syncGently(targets, isUrgent)
  }

  async #run(): Promise<void> {
    do {
      // A turn's worth of appends, from whatever sockets they came, joins the round: also what those
      // append next who were told at the end of the one before, who would else go on in two halves
      // that take turns. And after syncs on this thread, nothing else would ever give timers and
      // sockets their turn.
      await new Promise((resolve) => setImmediate(resolve))
      const turnStart = this.#options.clock.elapsedMs()
      do {
        await this.#runRound()
        if (this.#wasInline) await this.#requestOfThisTurn()
      } while (this.#wasInline && this.#hasWork && !this.#isTurnOver(turnStart))
    } while (this.#hasWork)
    this.#round = undefined
  }

  /** Resolves when the one who was told has appended again, or had his chance. */
  async #requestOfThisTurn(): Promise<void> {
    for (let wait = 0; wait < maxMicrotasks && this.#requested.size === 0; wait++) await undefined
  }

  get #hasWork(): boolean {
    return this.#requested.size > 0 && this.#failure === undefined
  }

  #isTurnOver(startMs: number): boolean {
    return this.#options.clock.elapsedMs() - startMs > inlineTurnMs
  }

  async #runRound(): Promise<void> {
    this.#wasInline = false
    // First, so that it goes into the frame that is taken next.
    for (const target of this.#requested) target.settle()
    const targets = this.#requested
    this.#requested = new Set()
    // A target that was captured is in the frame, whatever it plans now.
    const inFrame = this.#captured
    this.#captured = new Set()
    for (const target of inFrame) targets.add(target)
    const frame = this.#takeFrame()
    const staged: FlushTarget[] = []
    for (const target of targets) {
      const plan = target.stage(frame)
      if (plan === 'staged') {
        staged.push(target)
        inFrame.add(target)
      } else if (plan === 'sync') {
        this.#syncsInstead++
        void this.sync(target)
      }
    }
    const group = this.#onlyGroup
    this.#onlyGroup = noTargets
    this.#wantJournal()
    try {
      // One log, or the logs of one group: it is one caller who waits, and nobody else would be kept
      // waiting by a sync on this thread.
      const isOne = staged.length === 1 || staged.every((target) => group?.has(target))
      const isAlone = isOne && staged.length > 0 && this.#requested.size === 0
      this.#wasAlone = isAlone
      this.#wasInline = isAlone && this.#pace.isFast
      const behind = this.#behindOf(staged)
      const isAtOnce = this.#wasInline && behind.length === 0
      const start = this.#options.clock.elapsedMs()
      const isPlaced = frame === undefined || frame.isEmpty || this.#place(frame, inFrame, isAtOnce)
      if (!isPlaced) {
        for (const target of staged) void this.sync(target)
        return
      }
      // Work that is to be done some time, while there is nothing to do but wait.
      for (const target of behind) target.writeBehind()
      // Also when the frames of groups went before this round.
      if (this.#journal?.isDirty === true) {
        if (this.#wasInline) this.#journal.framesDurableSync()
        else await this.#journal.framesDurable()
      }
      if (staged.length > 0) this.#pace.took(this.#options.clock.elapsedMs() - start)
    } catch (error) {
      this.#fail(error)
      return
    } finally {
      this.#release(frame)
    }
    for (const target of staged) target.journaled()
  }

  /** Those of `targets` that keep so much in memory that it is worth a write. */
  #behindOf(targets: readonly FlushTarget[]): readonly FlushTarget[] {
    if (this.#journal === undefined) return []
    const enoughBytes = Math.min(writeBehindBytes, this.#journal.maxFrameBytes / 4)
    return targets.filter(({ keptBytes }) => keptBytes >= enoughBytes)
  }

  #release(frame: JournalFrame | undefined): void {
    frame?.reset()
    this.#spare ??= frame
  }

  /** The frame of this round; captures go to another one from here on. */
  #takeFrame(): JournalFrame | undefined {
    const frame = this.#forming
    if (this.#journal === undefined) return undefined
    this.#forming = this.#spare ?? new JournalFrame(this.#journal.maxFrameBytes)
    this.#spare = undefined
    return frame
  }

  /**
   * Writes `frame` to the journal. False when it has no room: then everybody in it is unstaged.
   * @param isAtOnce durable on return.
   */
  #place(frame: JournalFrame, inFrame: ReadonlySet<FlushTarget>, isAtOnce: boolean): boolean {
    const journal = this.#journal
    if (journal === undefined || !this.#makeRoom(journal, frame)) {
      for (const target of inFrame) target.unstage()
      return false
    }
    const region = isAtOnce ? journal.writeDurable(frame) : journal.writeFlushing(frame)
    for (const target of inFrame) this.#inRegion[region]?.add(target)
    return true
  }

  #makeRoom(journal: Journal, frame: JournalFrame): boolean {
    if (journal.hasRoom(frame.paddedBytes)) return true
    const left = journal.turn()
    if (left === undefined) {
      // The log that kept the other region when it was drained may be gone since.
      if (this.#draining === undefined) this.#startDrain(journal, journal.otherRegion)
      return false
    }
    this.#startDrain(journal, left)
    return journal.hasRoom(frame.paddedBytes)
  }

  #startDrain(journal: Journal, region: number): void {
    const run = this.#drain(journal, region).finally(() => {
      if (this.#draining === run) this.#draining = undefined
    })
    this.#draining = run
  }

  /** Writes a region back to the segments, and frees it unless a log in it has failed. */
  async #drain(journal: Journal, region: number): Promise<void> {
    const targets = this.#inRegion[region] as Set<FlushTarget>
    const { syncsAtOnce } = this.#options.fileSystem
    await this.#syncs.syncAll([...targets], writeBackAtOnce(targets.size, syncsAtOnce))
    for (const target of targets) if (target.isFailed) return
    // Voided meanwhile, and all that was in it with it.
    if (this.#journal !== journal) return
    try {
      await journal.free(region, () => targets.clear())
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Makes the journal once there were about as many syncs as zeroing it costs. */
  #wantJournal(): void {
    if (this.#journalState !== 'wanted' || this.#making !== undefined) return
    const [regionBytes = 0] = this.#regionSizes
    if (this.#syncsInstead * mebibyte > 2 * regionBytes) this.#startMaking()
  }

  #startMaking(): Promise<void> {
    const run = this.#makeJournal().finally(() => {
      if (this.#making === run) this.#making = undefined
    })
    this.#making = run
    return run
  }

  async #makeJournal(): Promise<void> {
    const { fileSystem, directory, logger, random } = this.#options
    try {
      // Zeroing a file that does not fit would take the last room from appends, for as long as the
      // file system takes to free it again.
      const { freeBytes } = fileSystem.space(directory)
      const regionBytes = this.#regionSizes.find((bytes) => 4 * bytes <= freeBytes)
      if (regionBytes === undefined) {
        const path = `${directory}/${journalFileName}`
        throw new StorageError({ operation: 'preallocate', path, errno: 'ENOSPC' })
      }
      const id = Math.floor(random() * 2 ** 32)
      const journal = await Journal.create(fileSystem, directory, regionBytes, id)
      this.#journal = journal
      this.#journalState = 'made'
      this.#makeError = undefined
      this.#forming = new JournalFrame(journal.maxFrameBytes)
    } catch (error) {
      // Segments are synced directly then, as before: slower, and as durable.
      // It is tried again and again, and said once.
      if (this.#makeError === undefined) {
        logger.warn({ error: String(error) }, 'the journal could not be made')
      }
      this.#makeError = error
      this.#syncsInstead = 0
    }
  }

  /**
   * Voids, durably, what the journal says of `target` at or after `place`. Call it before the files
   * are cut: then no replay brings back what was truncated. Throws when that failed; the target is
   * failed then, and with the journal all the others.
   */
  cut(target: FlushTarget, prefix: RedoPrefix, place: RedoPlace): void {
    const journal = this.#journal
    if (journal === undefined) return
    const isKnown = this.#captured.has(target) || this.#inRegion.some((set) => set.has(target))
    if (!isKnown) return
    if (this.#failure !== undefined) throw this.#failure.error
    const frame = this.#forming as JournalFrame
    if (!frame.addCut(prefix, place) || !this.#makeRoom(journal, frame)) {
      this.#voidAll(journal)
      return
    }
    this.#captured.add(target)
    this.#writeForming(journal)
    try {
      journal.flushSync()
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /**
   * Writes the forming frame before its round; those who wait for it are told in their round.
   * @param isUrgent the device may begin with it at once.
   */
  #writeForming(journal: Journal, isUrgent = false): void {
    const frame = this.#forming as JournalFrame
    try {
      const region = isUrgent ? journal.writeFlushing(frame) : journal.write(frame)
      for (const target of this.#captured) {
        this.#inRegion[region]?.add(target)
        this.#requested.add(target)
      }
      this.#captured.clear()
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      if (journal.isAhead && isUrgent) this.#formAnother(journal)
      else frame.reset()
    }
    if (this.#requested.size > 0) this.#round ??= this.#run()
  }

  /** The forming frame is on its way to the device: nobody may touch it before it is there. */
  #formAnother(journal: Journal): void {
    const frame = this.#takeFrame()
    const release = (): void => this.#release(frame)
    // A failure is told in the round.
    journal.framesDurable().then(release, release)
  }

  /**
   * Resolves when a journal is there for an atomic group. @throws (rejects) InvalidOptionError the
   * store was opened without one; ClosedError; LogFailedError it failed; StorageError it could not be made.
   */
  async readyForGroup(): Promise<void> {
    while (this.#journal === undefined) {
      if (this.#regionSizes.length === 0) {
        const expected = 'more than 0 for groups of several logs'
        throw new InvalidOptionError({ option: 'journalBytes', value: 0, expected })
      }
      if (this.#journalState === 'closed') throw new ClosedError('the store is closed')
      if (this.#failure !== undefined || this.#journalState !== 'wanted') {
        throw new LogFailedError('the journal takes no more groups', {
          cause: this.#failure?.error,
        })
      }
      await (this.#making ?? this.#startMaking())
      if (this.#makeError !== undefined) throw this.#makeError
    }
  }

  /** A group can be written in this turn, if it finds room. */
  get hasJournal(): boolean {
    return this.#journal !== undefined
  }

  /** What batches of a group must be marked with that is written in this turn. */
  get nextGroup(): GroupMark {
    assert(this.#journal !== undefined, 'there is a journal for groups')
    return this.#journal.nextMark
  }

  /** Puts all that `target` has into frames. False: it must be synced first. */
  stageForGroup(target: FlushTarget): boolean {
    const isStaged = target.stageAll(this.#forming as JournalFrame)
    if (isStaged) this.#captured.add(target)
    return isStaged
  }

  /**
   * Hands one frame with the records of a group to the kernel: after that they count all or none,
   * whatever happens. False when it could not be done now, and `roomForGroup` must be awaited.
   *
   * @param isAwaited somebody waits for it to be durable.
   * @throws BatchTooLargeError no frame can hold the group. LogFailedError.
   */
  writeGroup(members: readonly GroupMember[], isAwaited: boolean): boolean {
    const journal = this.#journal
    const frame = this.#forming
    if (this.#failure !== undefined) {
      throw new LogFailedError('the journal failed', { cause: this.#failure.error })
    }
    if (journal === undefined || frame === undefined) return false
    const before = frame.save()
    const isTaken = members.every(({ prefix, place, bytes }) =>
      frame.addWrite(
        prefix,
        place.baseOffset,
        place.position,
        place.endOffset,
        bytes,
        0,
        bytes.length,
      ),
    )
    if (isTaken && this.#makeRoom(journal, frame)) {
      this.#beforeGroup = { frame, state: before }
      const targets = new Set(members.map(({ target }) => target))
      for (const target of targets) this.#captured.add(target)
      this.#onlyGroup = this.#onlyGroup === noTargets ? targets : undefined
      // Who was alone in the last round is so again, most likely. Of many, one sync serves all.
      this.#writeForming(journal, isAwaited && this.#wasAlone)
      return true
    }
    frame.restore(before)
    if (!isTaken && frame.isEmpty) {
      const sizeBytes = members.reduce((sum, { bytes }) => sum + bytes.length, 0)
      throw new BatchTooLargeError({ sizeBytes, limitBytes: journal.maxFrameBytes, limit: 'group' })
    }
    // What else is in the frame goes first.
    if (!isTaken && this.#makeRoom(journal, frame)) this.#writeForming(journal)
    return false
  }

  /**
   * In the turn of `writeGroup`, when a segment of the group could not be written: writes its frame
   * again without the group, durably, in its old place, for which no room is needed. A batch that a
   * segment still holds is cut by recovery. Throws when the journal failed, and every log with it:
   * the group may be there, in all of its logs, when the store is opened again.
   */
  takeBackGroup({ prefix }: GroupMember, sequence: number): void {
    const journal = this.#journal
    if (journal === undefined || this.#beforeGroup === undefined) return
    const { frame, state } = this.#beforeGroup
    assert(this.#forming?.isEmpty === true, 'nothing was added behind the group')
    try {
      journal.finishAhead()
      frame.restore(state)
      frame.addTakenBack(prefix, sequence)
      journal.rewriteLast(frame)
      journal.flushSync()
    } catch (error) {
      this.#fail(error)
      throw error
    } finally {
      frame.reset()
    }
  }

  /** Resolves when it is worth trying to write a group again. */
  async roomForGroup(): Promise<void> {
    await this.readyForGroup()
    await this.#draining
    const isStuck = this.#inRegion.some((targets) => [...targets].some((one) => one.isFailed))
    if (isStuck) throw new LogFailedError('a log that failed keeps the journal')
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Resolves when every frame up to `sequence` is durable. @throws (rejects) the journal's failure. */
  async framesDurable(sequence: number): Promise<void> {
    const journal = this.#journal
    if (journal === undefined || journal.durableSequence >= sequence) return
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      await journal.framesDurable()
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /** The same, on this thread. */
  framesDurableNow(sequence: number): void {
    const journal = this.#journal
    if (journal === undefined || journal.durableSequence >= sequence) return
    if (this.#failure !== undefined) throw this.#failure.error
    try {
      journal.flushSync()
    } catch (error) {
      this.#fail(error)
      throw error
    }
  }

  /** There is no room for a word about a truncation: syncs everything and starts the file anew. */
  #voidAll(journal: Journal): void {
    const known = new Set([...this.#captured, ...this.#inRegion.flatMap((set) => [...set])])
    for (const target of known) {
      if (!target.isFailed) continue
      // Its records are nowhere else.
      throw new LogFailedError('a log that failed keeps the journal, which has no room left')
    }
    for (const target of this.#captured) target.unstage()
    this.#captured.clear()
    this.#forming?.reset()
    for (const target of known) target.syncNow()
    journal.close()
    this.#journal = undefined
    this.#forming = undefined
    for (const set of this.#inRegion) set.clear()
    this.#journalState = 'wanted'
    removeJournal(this.#options.fileSystem, this.#options.directory)
  }

  /** `target` goes away with its files: its frames say nothing to anybody. */
  forget(target: FlushTarget): void {
    this.#requested.delete(target)
    this.#captured.delete(target)
    for (const set of this.#inRegion) set.delete(target)
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#options.logger.error({ error: String(error) }, 'the journal failed')
    this.#options.onFailure(error)
    this.#requested.clear()
    this.#captured.clear()
  }

  /** Resolves when nothing is being made durable and nothing is waiting for it. */
  async idle(): Promise<void> {
    for (;;) {
      const work = [this.#round, this.#making, this.#draining, ...this.#syncs.underWay()]
      const running = work.filter((promise) => promise !== undefined)
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  /**
   * Ends the journal. Call it when every log was closed.
   * @param isEmpty every log is durable in its segments: the file is removed, durably.
   */
  async close(isEmpty: boolean): Promise<void> {
    await this.idle()
    this.#journalState = 'closed'
    this.#journal?.close()
    this.#journal = undefined
    this.#forming = undefined
    if (isEmpty && this.#failure === undefined) {
      removeJournal(this.#options.fileSystem, this.#options.directory)
    }
  }
}
