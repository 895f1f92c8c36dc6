/**
 * Names of topics that were deleted a moment ago. Who asks for one of them may want to see that it
 * is gone, so it is not brought back before the answer as another missing topic is; see Metadata.
 */
import type { Clock } from '../base/clock.ts'

/** How long a deletion is remembered. */
export const deletionMemoryMs = 5_000
/** Names remembered at a time: beyond it the oldest is forgotten. */
const maxNames = 10_000

export class RecentDeletions {
  readonly #clock: Clock
  /** When each was deleted, oldest first. */
  readonly #deletedMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(name: string): void {
    this.#deletedMs.delete(name)
    this.#forgetOld()
    this.#deletedMs.set(name, this.#clock.elapsedMs())
  }

  /** Whether the topic was deleted a moment ago. Says so once for each deletion. */
  take(name: string): boolean {
    this.#forgetOld()
    return this.#deletedMs.delete(name)
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.elapsedMs() - deletionMemoryMs
    for (const [name, deletedMs] of this.#deletedMs) {
      if (deletedMs >= oldestMs && this.#deletedMs.size < maxNames) break
      this.#deletedMs.delete(name)
    }
  }
}
