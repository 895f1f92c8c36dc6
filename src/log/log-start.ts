/**
 * Where one log begins, and the segments that it leaves behind when that is raised.
 *
 * Readers see a new start at once; files go only when a crash would keep it. Between the two the store
 * makes it durable, for many logs at a time.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Offset } from '../base/types.ts'
import type { Segment } from '../segment/segment.ts'
import type { LogEnvironment } from './log-environment.ts'
import type { LogFlusher } from './log-flusher.ts'
import type { LoadedLog } from './log-loader.ts'
import type { LogOffsets } from './log-offsets.ts'
import { SegmentRemoval } from './segment-removal.ts'

export type FreedSegments = { readonly segments: number; readonly bytes: number }

/** Each is four files to be looked for and three to be renamed. */
const segmentsPerTurn = 32

export class LogStart {
  readonly #env: LogEnvironment
  readonly #loaded: LoadedLog
  readonly #offsets: LogOffsets
  readonly #flusher: LogFlusher
  /** The start that a crash keeps; below the log's at most until that is written. */
  #durable: Offset
  readonly #removal: SegmentRemoval

  constructor(env: LogEnvironment, loaded: LoadedLog, offsets: LogOffsets, flusher: LogFlusher) {
    this.#env = env
    this.#loaded = loaded
    this.#offsets = offsets
    this.#flusher = flusher
    this.#durable = loaded.logStart
    this.#removal = new SegmentRemoval(env)
  }

  /** Whether a start at `target` would be news to a crash. */
  isBelow(target: Offset): boolean {
    return this.#durable < target
  }

  /** A segment that went could not be taken away: its file may still have the name of one of the log. */
  get isRemovalIncomplete(): boolean {
    return this.#removal.isIncomplete
  }

  /** Readers see `target`, below which all is durable, as the start. @throws StorageError. */
  raise(target: Offset): void {
    this.#flusher.raisingStart()
    this.#offsets.trimmed(target)
  }

  /** The start is durable at `start` or above: deletes segments wholly below, durably. @throws StorageError. */
  freeBelow(start: Offset): void {
    this.#noteDurable(start)
    const { segments } = this.#free(start, Infinity)
    if (segments > 0) this.#env.fileSystem.syncDirectorySync(this.#env.directory)
  }

  /**
   * The same a few segments a turn, and the sync off this thread: thousands of them take a while.
   * @param isWanted asked before every turn. @returns what went. @throws (rejects) StorageError.
   */
  async freeGently(start: Offset, isWanted: () => boolean): Promise<FreedSegments> {
    // Without a delay files are removed here and now, and large ones take a while.
    const perTurn = this.#env.settings.deleteDelayMs === 0 ? 1 : segmentsPerTurn
    const freed = { segments: 0, bytes: 0 }
    this.#noteDurable(start)
    while (isWanted()) {
      // A truncation may have lowered the start meanwhile, and what was appended since may stay.
      const to = Math.min(start, this.#durable) as Offset
      const { segments, bytes } = this.#free(to, perTurn)
      freed.segments += segments
      freed.bytes += bytes
      if (segments < perTurn) break
      await turn()
    }
    // A log that is closed meanwhile syncs its directory by itself.
    if (freed.segments > 0 && isWanted()) {
      await this.#env.fileSystem.syncDirectory(this.#env.directory)
    }
    return freed
  }

  #noteDurable(start: Offset): void {
    if (start > this.#durable) this.#durable = start
  }

  #free(start: Offset, most: number): FreedSegments {
    const { segments, snapshots, epochs } = this.#loaded
    epochs.cutStart(start)
    const freed = { segments: 0, bytes: 0 }
    while (freed.segments < most && hasSegmentBelow(segments, start)) {
      const segment = segments.shift()
      freed.segments++
      freed.bytes += segment.sizeBytes
      this.#removal.take(segment)
    }
    if (freed.segments > 0) this.#removal.takeSnapshots(snapshots.giveUpOld(segments))
    return freed
  }

  /** A truncation reaches below the start: readers may see what was trimmed and is still there. */
  lower(target: Offset): void {
    if (target >= this.#offsets.logStart) return
    this.#offsets.startLowered(target)
    this.#env.onRecoveryPointLowered()
  }

  /** The log ends at `end` now. */
  endLowered(end: Offset): void {
    if (end < this.#durable) this.#durable = end
  }

  /** Removes what still waits for `file.delete.delay.ms`. */
  finishRemoval(): Promise<void> {
    return this.#removal.finish()
  }

  /** Leaves it where it is: the directory goes as a whole. */
  cancelRemoval(): void {
    this.#removal.cancel()
  }
}

function hasSegmentBelow(segments: LoadedLog['segments'], start: Offset): boolean {
  if (segments.count === 1) return false
  return (segments.after(segments.first) as Segment).baseOffset <= start
}
