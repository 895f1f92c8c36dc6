/** Syncs of segments: one at a time for each log, and another for those who ask meanwhile. */
import { forEachLimited } from '../base/for-each-limited.ts'
import { Limiter } from '../base/limiter.ts'
import type { FlushTarget } from './flush-target.ts'

/** Turns of the loop that others have between two gentle syncs: long ones when there is much to do. */
const turnsBetween = 4

type Syncing = { current: Promise<void>; next: Promise<void> | undefined }

export class SegmentSyncs {
  readonly #syncing = new Map<FlushTarget, Syncing>()
  readonly #atOnce: number
  readonly #limiter: Limiter

  /** @param atOnce how many syncs at the same time serve best, and are the most: each holds files open. */
  constructor(atOnce: number) {
    this.#atOnce = atOnce
    this.#limiter = new Limiter(atOnce)
  }

  /**
   * Resolves when what `target` wrote before the call is durable in its segments or the target
   * failed. Never rejects.
   */
  sync(target: FlushTarget): Promise<void> {
    const running = this.#syncing.get(target)
    if (running === undefined) return this.#start(target)
    // The one under way may have begun before the last write.
    running.next ??= running.current.then(() => this.#start(target))
    return running.next
  }

  #start(target: FlushTarget): Promise<void> {
    const entry: Syncing = { current: Promise.resolve(), next: undefined }
    this.#syncing.set(target, entry)
    const run = this.#limiter.run(() => target.sync())
    entry.current = run.then(() => {
      if (entry.next === undefined) this.#syncing.delete(target)
    })
    return entry.current
  }

  isSyncing(target: FlushTarget): boolean {
    return this.#syncing.has(target)
  }

  /** Syncs all of `targets`, so many at a time; each is asked for when its turn comes. */
  syncAll(targets: Iterable<FlushTarget>, atOnce: number = this.#atOnce): Promise<void> {
    return forEachLimited(targets, atOnce, (target) => this.sync(target))
  }

  /**
   * The same for those who have time: one after the other, so that neither the disk nor the thread pool
   * is kept from what somebody waits for. When `isUrgent` says so, the rest goes as in `syncAll`.
   */
  async syncGently(targets: Generator<FlushTarget>, isUrgent: () => boolean): Promise<void> {
    while (!isUrgent()) {
      const next = targets.next()
      if (next.done === true) return
      await this.sync(next.value)
      for (let turn = 0; turn < turnsBetween && !isUrgent(); turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await this.syncAll(targets)
  }

  /** One promise for each log that is being synced. */
  underWay(): Promise<void>[] {
    return Array.from(this.#syncing.values(), ({ current, next }) => next ?? current)
  }
}
