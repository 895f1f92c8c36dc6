/**
 * When a log begins its next segment, and how: the old one is sealed, or goes on as it was.
 */
import { BatchTooLargeError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { maxRelativeOffset, maxSegmentBytes, Segment } from '../segment/segment.ts'
import type { LogEnvironment } from './log-environment.ts'
import type { FlushedLog, LogFlusher } from './log-flusher.ts'
import type { LoadedLog } from './log-loader.ts'
import type { SavedState } from './saved-state.ts'

export class SegmentRoller {
  readonly #env: LogEnvironment
  readonly #loaded: LoadedLog
  readonly #flusher: LogFlusher
  readonly #saved: SavedState
  readonly #log: FlushedLog
  /** How much earlier than by the settings, so that many logs do not roll at once. */
  #jitterMs = 0

  constructor(
    log: FlushedLog,
    env: LogEnvironment,
    loaded: LoadedLog,
    flusher: LogFlusher,
    saved: SavedState,
  ) {
    this.#env = env
    this.#loaded = loaded
    this.#flusher = flusher
    this.#saved = saved
    this.#log = log
    this.drawJitter()
  }

  drawJitter(): void {
    const { segmentJitterMs, segmentMs } = this.#env.settings
    this.#jitterMs = Math.floor(this.#env.random() * Math.min(segmentJitterMs, segmentMs))
  }

  /**
   * Begins a new segment at the log end if the append of so many bytes, which ends in offset
   * `lastOffset`, needs one. @throws BatchTooLargeError no segment takes them; as `roll`.
   */
  rollIfDue(sizeBytes: number, lastOffset: Offset, maxTimestamp: number, logEnd: Offset): void {
    const limitBytes = this.#limitBytes
    if (sizeBytes > limitBytes) {
      throw new BatchTooLargeError({ sizeBytes, limitBytes, limit: 'segment' })
    }
    if (this.isDue(sizeBytes, lastOffset, maxTimestamp)) this.roll(logEnd)
  }

  get #limitBytes(): number {
    return Math.min(this.#env.settings.segmentBytes, maxSegmentBytes)
  }

  /** Whether so many bytes, which end in offset `lastOffset`, belong into a new segment. */
  isDue(sizeBytes: number, lastOffset: Offset, maxTimestamp: number): boolean {
    const { settings, clock } = this.#env
    const { active } = this.#loaded.segments
    const isOverflow = lastOffset - active.baseOffset > maxRelativeOffset
    if (active.sizeBytes === 0 && !isOverflow) return false
    const first = active.firstTimestamp ?? -1
    const waitedMs = first >= 0 ? maxTimestamp - first : clock.now() - active.createdMs
    return (
      isOverflow ||
      active.sizeBytes > this.#limitBytes - sizeBytes ||
      waitedMs > settings.segmentMs - this.#jitterMs ||
      active.areIndexesFull
    )
  }

  /**
   * Seals the active segment and begins the next one at `logEnd`, unless it is empty and begins there.
   * @throws StorageError: the old one goes on as it was. LogFailedError.
   */
  roll(logEnd: Offset): void {
    const { segments, snapshots, producers } = this.#loaded
    const previous = segments.active
    if (previous.sizeBytes === 0 && previous.baseOffset === logEnd) return
    this.#flusher.rolling()
    const next = Segment.create(this.#env, logEnd)
    try {
      producers.endOffset = logEnd
      snapshots.save(producers, segments)
      // Last: it is sealed or goes on as it was, and needs no more of the disk for either.
      previous.seal()
    } catch (error) {
      this.#discard(next)
      throw error
    }
    segments.push(next)
    this.#saved.restart()
    this.drawJitter()
    this.#flusher.rolled(previous)
  }

  /**
   * Deletes a segment that was made in vain, durably. Left behind, or come back after a loss of power, it
   * would look like a hole in the log, or like its beginning.
   */
  #discard(segment: Segment): void {
    try {
      segment.delete()
      this.#env.fileSystem.syncDirectorySync(this.#env.directory)
    } catch (error) {
      this.#log.fail(error)
    }
  }
}
