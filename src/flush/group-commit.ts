/**
 * Many appends, one sync: while a group is being made durable the next one forms, so every caller
 * waits for at most two syncs and a sync serves all who asked before it began.
 *
 * One per store. Targets of a group are flushed at the same time, so that the device sees their
 * requests together. (The journal that makes many logs durable with one sync will stand here.)
 */

/** Something with un-synced data: a log. */
export interface FlushTarget {
  /**
   * Makes durable what was written before the call. Never rejects: a failed flush is final for the
   * target, which tells those who wait for it.
   */
  flushWritten(): Promise<void>
}

export class GroupCommit {
  #next = new Set<FlushTarget>()
  #running: Promise<void> | undefined

  /** Puts `target` into the next group. A group starts when the current turn of the loop ends. */
  request(target: FlushTarget): void {
    this.#next.add(target)
    this.#running ??= this.#run()
  }

  /** Resolves when nothing is being flushed and nothing is waiting for it. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // A turn's worth of appends, from whatever sockets they came, joins the first group.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#next.size > 0) {
      const group = this.#next
      this.#next = new Set()
      await Promise.all(Array.from(group, (target) => target.flushWritten()))
    }
    this.#running = undefined
  }
}
