/**
 * Where fetches wait for data (long poll). A parked fetch watches its logs: an append tells it, so
 * nothing is polled and nobody is woken for another's data. It ends when enough bytes are there,
 * when a log of it is closed, at its deadline, or when its connection is aborted; exactly once.
 *
 * Bound: `maxParked` fetches; one more does not wait and is answered with what there is.
 */
import type { Clock } from '../base/clock.ts'
import { onAbort } from '../base/on-abort.ts'

export const maxParked = 10_000

export interface Watched {
  /** Calls `listener` after every change, until the returned function is called. */
  onAppend(listener: () => void): () => void
}

export type ParkedFetch<W extends Watched> = {
  /** Distinct logs to watch. */
  readonly watched: Iterable<W>
  readonly waitMs: number
  readonly signal: AbortSignal
  /** Whether the fetch should be answered, now that `changed` has changed. */
  readonly isReady: (changed: W) => boolean
}

export class ParkingLot {
  readonly #clock: Clock
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many fetches wait. */
  get count(): number {
    return this.#count
  }

  /**
   * Resolves when the fetch should be answered. The caller has seen that it is not ready yet.
   * @throws (rejects) what `isReady` throws: that is this fetch's failure and nobody else's.
   */
  park<W extends Watched>(fetch: ParkedFetch<W>): Promise<void> {
    const { watched, waitMs, signal, isReady } = fetch
    if (signal.aborted || this.#count >= maxParked) return Promise.resolve()
    this.#count++
    return new Promise((resolve, reject) => {
      const unwatch: (() => void)[] = []
      let isOver = false
      const end = (): void => {
        if (isOver) return
        isOver = true
        this.#count--
        timer.cancel()
        forget()
        for (const stop of unwatch) stop()
        // The listener ran inside somebody's append: the answer is made after it.
        resolve()
      }
      const timer = this.#clock.after(waitMs, end)
      const forget = onAbort(signal, end)
      for (const log of watched) {
        unwatch.push(
          log.onAppend(() => {
            if (isOver) return
            try {
              if (isReady(log)) end()
            } catch (error) {
              reject(error)
              end()
            }
          }),
        )
      }
    })
  }
}
