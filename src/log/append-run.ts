/**
 * Batches of one log that go to the kernel together.
 *
 * A write for each batch costs more than all the rest of an append. So what is appended for level
 * `disk` waits in memory until the next frame of the journal is written, or until anybody asks the log
 * for anything: nobody can tell the difference, but for an append that fails when its bytes are
 * written. The frame is where the kernel gets them then; the segment's file gets them later
 * (segment-tail.ts).
 */
import type { Offset } from '../base/types.ts'
import type { RunBatch } from '../segment/segment.ts'
import type { LogOffsets } from './log-offsets.ts'

/** Most bytes that wait: a frame takes no more of one log (flush-policy.ts). */
export const maxRunBytes = 128 * 1024

export class AppendRun {
  /** Resolves when all of it is durable. @throws (rejects) what it could not be appended for. */
  readonly durable: Promise<void>
  readonly batches: RunBatch[] = []
  readonly baseOffset: Offset
  /** Of all its batches, also when a higher one begins meanwhile. */
  readonly leaderEpoch: number
  endOffset: Offset
  #sizeBytes = 0
  #resolve!: () => void
  #reject!: (error: unknown) => void

  constructor(baseOffset: Offset, leaderEpoch: number) {
    this.baseOffset = this.endOffset = baseOffset
    this.leaderEpoch = leaderEpoch
    this.durable = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Notes a batch that has its offsets, those from `endOffset` on, and stands behind the others. */
  add(sizeBytes: number, lastOffset: Offset, maxTimestamp: number): void {
    this.batches.push({ at: this.#sizeBytes, sizeBytes, lastOffset, maxTimestamp })
    this.#sizeBytes += sizeBytes
    this.endOffset = (lastOffset + 1) as Offset
  }

  /** It is in the kernel, or will be in this turn: it waits for the disk. */
  written(marks: LogOffsets): void {
    marks.whenReached('disk', this.endOffset, this.#resolve, this.#reject)
  }

  fail(error: unknown): void {
    this.#reject(error)
  }
}
