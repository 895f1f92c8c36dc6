/**
 * Takes records off the end of a log so that no crash at any moment brings them back, or leaves a log
 * that ends before it begins.
 *
 * What recovery must not trust any more is written first, then the journal is told, then the files are
 * cut, then what is derived from them is built anew. A failure before the first cut leaves the log as
 * it was; one after it fails the log, to be opened again.
 */
import type { LogFailedError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { Segment } from '../segment/segment.ts'
import type { LogEnvironment } from './log-environment.ts'
import type { LogFlusher } from './log-flusher.ts'
import type { LoadedLog } from './log-loader.ts'
import { type LogSource, outOfRange } from './log-source.ts'
import type { LogStart } from './log-start.ts'
import type { SavedState } from './saved-state.ts'

/** The log that is cut. */
export interface CutLog extends LogSource {
  readonly isReplicated: boolean
  readonly failure: LogFailedError | undefined
  fail(error: unknown): void
  /** Places found in it before may be gone. */
  moved(): void
}

/** What works for it. */
export type CutParts = {
  readonly env: LogEnvironment
  readonly loaded: LoadedLog
  readonly flusher: LogFlusher
  readonly start: LogStart
  readonly saved: SavedState
}

export class LogTruncation {
  readonly #log: CutLog
  readonly #parts: CutParts
  #cutsAt: number = Infinity
  #count = 0

  constructor(log: CutLog, parts: CutParts) {
    this.#log = log
    this.#parts = parts
  }

  /** Where a cut is about to be: no checkpoint may say any more that more is durable. */
  get cutsAt(): number {
    return this.#cutsAt
  }

  /** How often records were taken that had been told of. */
  get count(): number {
    return this.#count
  }

  /**
   * Drops the batch that holds `target`, which is below the log end, and everything after it.
   * @throws as `Log.truncate`.
   */
  truncate(target: Offset): void {
    const log = this.#log
    const { env, loaded, flusher, start } = this.#parts
    const { segments } = loaded
    const last = segments.floor(target)
    const place = last?.locate(target)
    // Whole batches go, so that the offsets that are left stay dense.
    const end = Math.min(place?.baseOffset ?? target, target) as Offset
    if (!log.isReplicated) env.raiseLeaderEpoch()
    this.#announce(end)
    this.#count++
    log.moved()
    try {
      // A start that goes back does so first: no crash may leave a log that ends before it begins.
      start.lower(end)
      // Nothing that the journal holds may bring back what goes.
      flusher.cut(last ?? segments.first, place?.position ?? 0, end)
    } catch (error) {
      // Nobody knows whether a crash brings back what was to go: it counts as gone.
      this.#lowerEnd(end)
      log.fail(error)
      throw log.failure
    }
    this.#cutBack(last, place?.position, end)
  }

  /**
   * Takes back the batch at `position` of the active segment, where the log ended at `end`: another
   * log could not take its part of their group, whose frame says so. A log where that fails takes no
   * more appends; what is left in its file is cut when it is opened again.
   */
  undoGroup(position: number, end: Offset): void {
    const log = this.#log
    const { loaded, flusher } = this.#parts
    const { epochs, segments } = loaded
    const { latest } = epochs
    log.moved()
    flusher.undoing()
    try {
      this.#announce(end)
    } catch (error) {
      this.#lowerEnd(end)
      log.fail(error)
      return
    }
    try {
      this.#cutBack(segments.active, position, end)
      // The epoch that began before the group goes on.
      if (log.isReplicated && latest > epochs.latest) epochs.assign(latest, end)
    } catch (error) {
      if (error !== log.failure) throw error
    }
  }

  /**
   * Has recovery look at everything from `end` on, so that a crash in the middle has what is left of
   * the tail checked. Before anything is cut: a disk without room for it leaves the log as it was.
   */
  #announce(end: Offset): void {
    this.#parts.saved.unseal()
    this.#cutsAt = end
    try {
      this.#parts.env.onRecoveryPointLowered()
    } catch (error) {
      this.#cutsAt = Infinity
      throw error
    }
  }

  #lowerEnd(end: Offset): void {
    const log = this.#log
    const { offsets } = log
    const previousEnd = offsets.logEnd
    offsets.truncated(end)
    this.#cutsAt = Infinity
    this.#parts.start.endLowered(end)
    offsets.failTruncated(previousEnd, outOfRange(log, previousEnd))
  }

  /** Drops what is at `end` and behind it, which is at `position` of `last` or in no segment. */
  #cutBack(last: Segment | undefined, position: number | undefined, end: Offset): void {
    this.#lowerEnd(end)
    try {
      this.#cutFiles(last, position, end)
      this.#rebuildState(end)
    } catch (error) {
      this.#log.fail(error)
      throw this.#log.failure
    }
    this.#parts.saved.restart()
    this.#parts.flusher.truncated()
  }

  /** Deletes the segments after `last`, or all, and cuts it at `position`. Durable on return. */
  #cutFiles(last: Segment | undefined, position: number | undefined, end: Offset): void {
    const { env, loaded } = this.#parts
    const { segments, snapshots } = loaded
    while (segments.count > 0 && segments.active !== last) segments.pop().delete()
    if (last === undefined) segments.push(Segment.create(env, end))
    else {
      if (last.state === 'sealed') last.activate()
      if (position !== undefined) last.truncate(position, end)
    }
    // Neither old segments nor their snapshots may come back behind what is appended next.
    snapshots.removeAbove(end)
    env.fileSystem.syncDirectorySync(env.directory)
  }

  #rebuildState(end: Offset): void {
    const { segments, epochs, producers, snapshots } = this.#parts.loaded
    epochs.cutEnd(end)
    const rebuilt = snapshots.rebuild(segments, this.#log.offsets.logStart, end)
    producers.clear(end)
    for (const entry of rebuilt.entries()) producers.load(entry)
  }
}
