/**
 * The bounds of one log and those who wait for them.
 *
 * | mark            | bound     | meaning                                                  |
 * | --------------- | --------- | -------------------------------------------------------- |
 * | `logStart`      | inclusive | first readable offset                                    |
 * | `disk`          | exclusive | everything below is on stable storage (recovery point)   |
 * | `os`            | exclusive | everything below is in the kernel                        |
 * | `highWatermark` | exclusive | everything below may be read by consumers                |
 * | `logEnd`        | exclusive | the offset the next record will get                      |
 *
 * Always `logStart ≤ disk ≤ os ≤ logEnd` and `logStart ≤ highWatermark ≤ logEnd`; nobody else
 * writes these numbers.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/types.ts'

export type MarkName = 'os' | 'disk' | 'highWatermark'

type Waiter = {
  readonly mark: MarkName
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class LogOffsets {
  #logStart: Offset
  #disk: Offset
  #os: Offset
  #highWatermark: Offset
  #logEnd: Offset
  #waiters = new Set<Waiter>()

  constructor(logStart: Offset, disk: Offset, logEnd: Offset) {
    this.#logStart = logStart
    this.#disk = disk
    this.#os = logEnd
    this.#highWatermark = logEnd
    this.#logEnd = logEnd
    this.#check()
  }

  get logStart(): Offset {
    return this.#logStart
  }
  get disk(): Offset {
    return this.#disk
  }
  get os(): Offset {
    return this.#os
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get logEnd(): Offset {
    return this.#logEnd
  }

  /** How many promises wait for a mark. */
  get waiterCount(): number {
    return this.#waiters.size
  }

  /** Records up to `logEnd` have been handed to the kernel. */
  written(logEnd: Offset): void {
    assert(logEnd >= this.#logEnd, 'the log end grows')
    this.#logEnd = this.#os = this.#highWatermark = logEnd
    this.#check()
    if (this.#waiters.size > 0) this.#wake()
  }

  /** Records below `offset` are on stable storage. Lower values than before change nothing. */
  flushed(offset: Offset): void {
    if (offset <= this.#disk) return
    this.#disk = offset
    this.#check()
    if (this.#waiters.size > 0) this.#wake()
  }

  /** Records below `logStart`, which are durable, are gone. */
  trimmed(logStart: Offset): void {
    assert(logStart >= this.#logStart, 'the log start grows')
    this.#logStart = logStart
    assert(logStart <= this.#disk, 'what is trimmed was durable')
    this.#check()
  }

  /** Records from `logEnd` on are gone. */
  truncated(logEnd: Offset): void {
    assert(logEnd <= this.#logEnd, 'a truncation shortens')
    this.#logEnd = logEnd
    this.#logStart = min(this.#logStart, logEnd)
    this.#disk = min(this.#disk, logEnd)
    this.#os = min(this.#os, logEnd)
    this.#highWatermark = min(this.#highWatermark, logEnd)
    this.#check()
  }

  /** The log holds nothing and starts again at `offset`. */
  restarted(offset: Offset): void {
    this.#logStart = this.#disk = this.#os = this.#highWatermark = this.#logEnd = offset
    this.#check()
  }

  mark(name: MarkName): Offset {
    if (name === 'disk') return this.#disk
    return name === 'os' ? this.#os : this.#highWatermark
  }

  /**
   * Resolves when `mark ≥ offset`. Rejects with the reason of `signal` when that comes first, or
   * with the error given to `fail`.
   */
  reached(name: MarkName, offset: number, signal?: AbortSignal): Promise<void> {
    if (this.mark(name) >= offset) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiters.delete(waiter)
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        mark: name,
        offset,
        resolve: () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        },
        reject: (error) => {
          signal?.removeEventListener('abort', stop)
          reject(error)
        },
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** Rejects those who wait for `mark` (or for any, when undefined). */
  fail(error: unknown, mark?: MarkName): void {
    for (const waiter of this.#waiters) {
      if (mark !== undefined && waiter.mark !== mark) continue
      this.#waiters.delete(waiter)
      waiter.reject(error)
    }
  }

  /** After a truncation: rejects those who wait for, or stand behind, offsets that are gone. */
  failTruncated(previousEnd: Offset, error: unknown): void {
    for (const waiter of this.#waiters) {
      // A follower waits for the offset after the one it stands at.
      const place = waiter.mark === 'highWatermark' ? waiter.offset - 1 : waiter.offset
      if (place <= this.#logEnd || place > previousEnd) continue
      this.#waiters.delete(waiter)
      waiter.reject(error)
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.mark(waiter.mark) < waiter.offset) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #check(): void {
    assert(this.#logStart <= this.#disk, 'the log start is durable')
    assert(this.#disk <= this.#os, 'what is durable was written')
    assert(this.#os <= this.#logEnd, 'what was written was accepted')
    assert(
      this.#logStart <= this.#highWatermark && this.#highWatermark <= this.#logEnd,
      'the high watermark lies inside the log',
    )
  }
}

function min(a: Offset, b: Offset): Offset {
  return a < b ? a : b
}
