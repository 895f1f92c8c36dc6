/**
 * Batches of one log that go to the kernel in one write.
 *
 * When many append to one log and wait for the disk, a write for each batch costs more than all the
 * rest. So what is appended for level `disk` while a frame of the journal is being filled waits in
 * memory until that frame is written, or until anybody asks the log for anything: nobody can tell the
 * difference, but for an append that fails when its bytes are written.
 */
import type { Offset } from '../base/types.ts'
import type { RunBatch } from '../segment/segment.ts'

/** Most bytes that wait: a frame takes no more of one log (flush-policy.ts). */
export const maxRunBytes = 64 * 1024

export class AppendRun {
  /** Resolves when all of it is durable. @throws (rejects) what it could not be appended for. */
  readonly durable: Promise<void>
  readonly batches: RunBatch[] = []
  readonly baseOffset: Offset
  endOffset: Offset
  readonly buffer: Buffer
  #sizeBytes = 0
  #resolve!: (durable: Promise<void>) => void
  #reject!: (error: unknown) => void

  /** `buffer`, of `maxRunBytes`, belongs to the run until it was written. */
  constructor(buffer: Buffer, baseOffset: Offset) {
    this.buffer = buffer
    this.baseOffset = this.endOffset = baseOffset
    this.durable = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The batches, end to end. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.#sizeBytes)
  }

  /** Copies a batch that has its offsets: those from `endOffset` on. It must fit. */
  add(bytes: Buffer, start: number, end: number, lastOffset: Offset, maxTimestamp: number): void {
    const at = this.#sizeBytes
    bytes.copy(this.buffer, at, start, end)
    this.#sizeBytes = at + end - start
    this.endOffset = (lastOffset + 1) as Offset
    this.batches.push({ at, sizeBytes: end - start, lastOffset, maxTimestamp })
  }

  /** It is in the kernel: whoever waits for it waits for `durable`. */
  written(durable: Promise<void>): void {
    this.#resolve(durable)
  }

  fail(error: unknown): void {
    this.#reject(error)
  }
}
