import { assert } from './assert.ts'

/** Runs what it is given at once, or, with `limit` of them under way, in order when one has ended. */
export class Limiter {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    assert(limit >= 1, 'without a place nothing would ever run')
    this.#free = limit
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // The place goes to the next, before anybody who comes in between.
      if (next === undefined) this.#free++
      else next()
    }
  }
}
