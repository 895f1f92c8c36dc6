/**
 * The bounds of one log and those who wait for them.
 *
 * | mark            | bound     | meaning                                                  |
 * | --------------- | --------- | -------------------------------------------------------- |
 * | `logStart`      | inclusive | first readable offset                                    |
 * | `synced`        | exclusive | everything below is on stable storage in its segment     |
 * | `disk`          | exclusive | everything below is on stable storage, there or journaled |
 * | `os`            | exclusive | everything below is in the kernel                        |
 * | `highWatermark` | exclusive | everything below may be read by consumers                |
 * | `logEnd`        | exclusive | the offset the next record will get                      |
 *
 * `synced` is the recovery point: what recovery after a crash looks at begins there. Always
 * `logStart ≤ disk ≤ os ≤ logEnd`, `synced ≤ disk` and `logStart ≤ highWatermark ≤ logEnd`; nobody
 * else writes these numbers.
 *
 * The high watermark is the log end, unless the log is replicated: then it is where its embedder
 * says that records are committed, and goes back only when a truncation takes them.
 */
import { assert } from '../base/assert.ts'
import { onAbort } from '../base/on-abort.ts'
import type { Offset } from '../base/types.ts'

const markNames = ['os', 'disk', 'highWatermark'] as const
export type MarkName = (typeof markNames)[number]

type Waiter = {
  readonly offset: number
  /** What it stands behind: rejected when a truncation takes that away. */
  readonly place: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Those who wait, by what they wait for: an append does not look at those who wait for the disk. Each made
 * when somebody waits: most logs of many are idle, and of those that are not most are waited for at one mark.
 */
type Waiters = { [name in MarkName]: Set<Waiter> | undefined }

export class LogOffsets {
  #logStart: Offset
  #synced: Offset
  #disk: Offset
  #os: Offset
  #highWatermark: Offset
  #logEnd: Offset
  #waiters: Waiters | undefined
  readonly #isReplicated: boolean

  /** @param committed where the high watermark of a replicated log was; undefined for others. */
  constructor(logStart: Offset, synced: Offset, logEnd: Offset, committed?: Offset) {
    this.#logStart = logStart
    this.#synced = synced
    this.#disk = synced < logStart ? logStart : synced
    this.#os = logEnd
    this.#isReplicated = committed !== undefined
    // What a crash took is not committed here any more, and what was trimmed had been.
    this.#highWatermark = max(min(committed ?? logEnd, logEnd), logStart)
    this.#logEnd = logEnd
    this.#check()
  }

  get logStart(): Offset {
    return this.#logStart
  }
  get synced(): Offset {
    return this.#synced
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

  /** Records up to `logEnd` have been handed to the kernel. */
  written(logEnd: Offset): void {
    assert(logEnd >= this.#logEnd, 'the log end grows')
    this.#logEnd = this.#os = logEnd
    if (!this.#isReplicated) this.#highWatermark = logEnd
    this.#check()
    this.#wake('os')
    this.#wake('highWatermark')
  }

  /**
   * Records of a replicated log below `offset` may be read. Lower values than before change nothing.
   * @returns whether it did.
   */
  committed(offset: Offset): boolean {
    assert(this.#isReplicated, 'only a replicated log is told what is committed')
    if (offset <= this.#highWatermark) return false
    this.#highWatermark = offset
    this.#check()
    this.#wake('highWatermark')
    return true
  }

  /** Records below `offset` are on stable storage. Lower values than before change nothing. */
  flushed(offset: Offset): void {
    if (offset <= this.#disk) return
    this.#disk = offset
    this.#check()
    this.#wake('disk')
  }

  /** Records below `offset`, all durable, are so in their segments. */
  syncedTo(offset: Offset): void {
    if (offset <= this.#synced) return
    this.#synced = offset
    this.#check()
  }

  /** Records below `logStart`, which are durable, are gone. */
  trimmed(logStart: Offset): void {
    assert(logStart >= this.#logStart, 'the log start grows')
    this.#logStart = logStart
    assert(logStart <= this.#disk, 'what is trimmed was durable')
    this.#check()
  }

  /** Records from `logStart` on, which were trimmed and are still there, count again. */
  startLowered(logStart: Offset): void {
    assert(logStart <= this.#logStart, 'the log start goes back')
    this.#logStart = logStart
    this.#check()
  }

  /** Records from `logEnd` on are gone. */
  truncated(logEnd: Offset): void {
    assert(logEnd <= this.#logEnd, 'a truncation shortens')
    this.#logEnd = logEnd
    this.#logStart = min(this.#logStart, logEnd)
    this.#synced = min(this.#synced, logEnd)
    this.#disk = min(this.#disk, logEnd)
    this.#os = min(this.#os, logEnd)
    this.#highWatermark = min(this.#highWatermark, logEnd)
    this.#check()
  }

  mark(name: MarkName): Offset {
    if (name === 'disk') return this.#disk
    return name === 'os' ? this.#os : this.#highWatermark
  }

  /**
   * Resolves when `mark ≥ offset`. Rejects with the reason of `signal` when that comes first, or
   * with the error given to `fail`.
   *
   * @param place the offset that a truncation must leave; a follower's is the one it stands at.
   */
  reached(
    name: MarkName,
    offset: number,
    signal?: AbortSignal,
    place: number = offset,
  ): Promise<void> {
    if (this.mark(name) >= offset) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const waiters = this.#waitersFor(name)
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        waiters.delete(waiter)
        reject(signal?.reason)
      }
      const waiter: Waiter = {
        offset,
        place,
        resolve: () => {
          forget?.()
          resolve()
        },
        reject: (error) => {
          forget?.()
          reject(error)
        },
      }
      const forget = signal === undefined ? undefined : onAbort(signal, stop)
      waiters.add(waiter)
    })
  }

  /** `reached` for whoever has no use for a promise. `resolve` may be called at once. */
  whenReached(
    name: MarkName,
    offset: number,
    resolve: () => void,
    reject: (error: unknown) => void,
  ): void {
    if (this.mark(name) >= offset) resolve()
    else this.#waitersFor(name).add({ offset, place: offset, resolve, reject })
  }

  #waitersFor(name: MarkName): Set<Waiter> {
    this.#waiters ??= { os: undefined, disk: undefined, highWatermark: undefined }
    return (this.#waiters[name] ??= new Set())
  }

  /** Rejects those who wait for `mark` (or for any, when undefined). */
  fail(error: unknown, mark?: MarkName): void {
    this.#reject(error, (_waiter, name) => mark === undefined || name === mark)
  }

  /** After a truncation: rejects those who wait for, or stand behind, offsets that are gone. */
  failTruncated(previousEnd: Offset, error: unknown): void {
    this.#reject(error, ({ place }) => place > this.#logEnd && place <= previousEnd)
  }

  #reject(error: unknown, isMeant: (waiter: Waiter, name: MarkName) => boolean): void {
    for (const name of markNames) {
      const waiters = this.#waiters?.[name]
      for (const waiter of waiters ?? []) {
        if (!isMeant(waiter, name)) continue
        waiters?.delete(waiter)
        waiter.reject(error)
      }
    }
  }

  #wake(name: MarkName): void {
    const waiters = this.#waiters?.[name]
    if (waiters === undefined || waiters.size === 0) return
    const mark = this.mark(name)
    for (const waiter of waiters) {
      if (mark < waiter.offset) continue
      waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #check(): void {
    assert(this.#logStart <= this.#disk, 'the log start is durable')
    assert(this.#synced <= this.#disk, 'what is synced is durable')
    assert(this.#disk <= this.#os, 'what is durable was written')
    assert(this.#os <= this.#logEnd, 'what was written was accepted')
    assert(
      this.#logStart <= this.#highWatermark && this.#highWatermark <= this.#logEnd,
      'the high watermark lies inside the log',
    )
  }
}

function max(a: Offset, b: Offset): Offset {
  return a > b ? a : b
}

function min(a: Offset, b: Offset): Offset {
  return a < b ? a : b
}
