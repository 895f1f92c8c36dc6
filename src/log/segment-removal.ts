/**
 * Segments that left their log: their files take names that every open removes, at once, and are
 * removed when `file.delete.delay.ms` has passed, one after the other and off the loop's thread.
 * Until then whoever copies the directory from outside finds them whole. Their producer snapshots go
 * without a delay: who finds none reads the batches.
 */
import type { Timer } from '../base/clock.ts'
import { isGone } from '../platform/storage-failure.ts'
import type { Segment } from '../segment/segment.ts'
import type { LogEnvironment } from './log-environment.ts'

export class SegmentRemoval {
  readonly #env: LogEnvironment
  /** Both made with the first removal: most logs of many never see one. */
  #waiting: Map<readonly string[], Timer> | undefined
  #removing: Promise<void> | undefined
  #isCancelled = false
  #isIncomplete = false

  constructor(env: LogEnvironment) {
    this.#env = env
  }

  /** A segment could not be taken: its file may still have the name of one of the log. */
  get isIncomplete(): boolean {
    return this.#isIncomplete
  }

  /** The names are durably gone only after a sync of the directory. @throws StorageError. */
  take(segment: Segment): void {
    const { clock, settings } = this.#env
    try {
      if (settings.deleteDelayMs === 0) segment.delete()
      else {
        const paths = segment.setAside()
        const timer = clock.after(settings.deleteDelayMs, () => this.#remove(paths))
        this.#waiting ??= new Map()
        this.#waiting.set(paths, timer)
      }
    } catch (error) {
      this.#isIncomplete = true
      throw error
    }
  }

  /** Producer snapshots that nobody will look for: removed soon, under the names they have. */
  takeSnapshots(paths: readonly string[]): void {
    if (paths.length > 0) this.#remove(paths)
  }

  #remove(paths: readonly string[]): void {
    this.#waiting?.get(paths)?.cancel()
    this.#waiting?.delete(paths)
    const before = this.#removing ?? Promise.resolve()
    this.#removing = before.then(async () => {
      for (const path of paths) await this.#removeOne(path)
    })
  }

  async #removeOne(path: string): Promise<void> {
    if (this.#isCancelled) return
    try {
      await this.#env.fileSystem.removeLater(path)
    } catch (error) {
      if (this.#isCancelled || isGone(error)) return
      // The next open removes what has this name.
      const fields = { log: this.#env.name, file: path, error: String(error) }
      this.#env.logger.warn(fields, 'a removed segment stays on disk')
    }
  }

  /** Removes what waits now, and resolves when it is gone. */
  finish(): Promise<void> {
    for (const paths of [...(this.#waiting?.keys() ?? [])]) this.#remove(paths)
    return this.#removing ?? Promise.resolve()
  }

  /** Leaves everything where it is: the directory goes as a whole. */
  cancel(): void {
    this.#isCancelled = true
    for (const timer of this.#waiting?.values() ?? []) timer.cancel()
    this.#waiting?.clear()
  }
}
