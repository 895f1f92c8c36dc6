/** Long work in steps: a generator that yields after each, and who runs it. */
import type { Clock } from './clock.ts'

/** Work that may be left between its steps. */
export type Steps<Result> = Generator<void, Result, void>

/** For how long steps follow each other before others have a turn. */
const turnMs = 5

/** Runs all steps at once. */
export function drain<Result>(work: Iterator<unknown, Result, void>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Runs all steps, with a turn of the event loop for others every few milliseconds. */
export async function inTurns<Result>(
  work: Iterator<unknown, Result, void>,
  clock: Clock,
): Promise<Result> {
  for (let startMs = clock.elapsedMs(); ; ) {
    const step = work.next()
    if (step.done === true) return step.value
    if (clock.elapsedMs() - startMs < turnMs) continue
    await new Promise((resolve) => setImmediate(resolve))
    startMs = clock.elapsedMs()
  }
}
