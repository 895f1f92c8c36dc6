/**
 * What lets the next open begin near the log end: the indexes of the active segment and the state of
 * producers, written by checkpoints once the log has grown enough, and by a clean stop.
 */
import type { Offset } from '../base/types.ts'
import { mebibyte } from '../base/units.ts'
import type { IndexSeal } from '../segment/index-seal.ts'
import type { LoadedLog } from './log-loader.ts'

/** How far the active segment grows before it is worth writing again. */
const dueBytes = 16 * mebibyte

export class SavedState {
  readonly #loaded: LoadedLog
  /** Size of the active segment when it was written last. */
  #savedBytes = 0
  #indexSeal: IndexSeal | undefined

  constructor(loaded: LoadedLog) {
    this.#loaded = loaded
    this.seal()
  }

  /** Index files that recovery can begin with; undefined when it begins at a segment's start. */
  get indexSeal(): IndexSeal | undefined {
    return this.#indexSeal
  }

  get isDue(): boolean {
    return this.#loaded.segments.active.sizeBytes - this.#savedBytes >= dueBytes
  }

  /** Writes it of a log that ends at `logEnd`; durable after the next sync. @throws StorageError. */
  write(logEnd: Offset): void {
    const { segments, snapshots, producers } = this.#loaded
    segments.active.saveIndexes()
    producers.endOffset = logEnd
    snapshots.save(producers, segments)
    snapshots.prune(segments)
    this.#savedBytes = segments.active.sizeBytes
  }

  /** The index files of the active segment are as they are in memory. */
  seal(): void {
    const { active } = this.#loaded.segments
    if (active.sizeBytes < dueBytes) return
    this.#savedBytes = active.sizeBytes
    this.#indexSeal = active.sealIndexes()
  }

  /** The log is about to be cut: index files are no more to be trusted. */
  unseal(): void {
    this.#indexSeal = undefined
  }

  /** The active segment is another one, or was cut. */
  restart(): void {
    this.#savedBytes = 0
  }
}
