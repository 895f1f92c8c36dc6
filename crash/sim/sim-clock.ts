import type { Clock, Timer } from '../../src/base/clock.ts'

type Waiting = { readonly dueMs: number; readonly task: () => void }

/** Time that stands still until a history moves it, and then runs the timers that came due. */
export class SimClock implements Clock {
  #nowMs: number
  readonly #waiting = new Set<Waiting>()

  constructor(nowMs = 1_000_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  /** A sync takes no time here, so that a history does not depend on the machine it runs on. */
  elapsedMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): Timer {
    const waiting = { dueMs: this.#nowMs + delayMs, task }
    this.#waiting.add(waiting)
    return { cancel: () => void this.#waiting.delete(waiting) }
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      let next: Waiting | undefined
      for (const one of this.#waiting) {
        if (one.dueMs <= untilMs && (next === undefined || one.dueMs < next.dueMs)) next = one
      }
      if (next === undefined) break
      this.#waiting.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.task()
    }
    this.#nowMs = untilMs
  }
}
