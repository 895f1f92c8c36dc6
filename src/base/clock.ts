/** Time as the engine sees it; passed in, so that tests and the simulated disk control it. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch, an integer. */
  now(): number
  /** Milliseconds, with fractions, since some moment: what differences are taken of. */
  elapsedMs(): number
  /** Runs `task` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
