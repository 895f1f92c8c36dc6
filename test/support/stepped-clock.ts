/** Time that passes when the test says so; timers run in the order in which they are due. */
import type { Clock, Timer } from '../../src/base/clock.ts'

type Task = { readonly dueMs: number; readonly order: number; readonly run: () => void }

export class SteppedClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #tasks = new Set<Task>()

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  elapsedMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const task = { dueMs: this.#nowMs + Math.max(delayMs, 0), order: this.#order++, run }
    this.#tasks.add(task)
    return { cancel: () => void this.#tasks.delete(task) }
  }

  /** Timers that would still run. */
  get pending(): number {
    return this.#tasks.size
  }

  /** Lets `ms` pass, with every timer that comes due on the way, those set meanwhile too. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#tasks.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.run()
    }
    this.#nowMs = endMs
  }

  #next(endMs: number): Task | undefined {
    let first: Task | undefined
    for (const task of this.#tasks) {
      if (task.dueMs > endMs) continue
      const isEarlier =
        first === undefined ||
        task.dueMs < first.dueMs ||
        (task.dueMs === first.dueMs && task.order < first.order)
      if (isEarlier) first = task
    }
    return first
  }
}
