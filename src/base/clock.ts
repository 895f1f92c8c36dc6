/** Time as the engine sees it; passed in, so that tests and the simulated disk control it. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch, an integer. */
  now(): number
  /** Milliseconds, with fractions, since some moment: what differences are taken of. */
  elapsedMs(): number
  /**
   * Runs `task` once after `delayMs`. The timer keeps the process alive only when it is told to, since
   * somebody waits for what `task` does.
   */
  after(delayMs: number, task: () => void, options?: { readonly keepsAlive?: boolean }): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, task, { keepsAlive = false } = {}) {
    const handle = setTimeout(task, delayMs)
    if (!keepsAlive) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
