/**
 * The end of an active segment while it stands in memory: first what is appended but not in the file
 * yet, since a frame of the journal has it, then what waits to be appended. It goes to the file in one
 * write, so that many small appends to many logs do not cost a write each.
 */
import { BufferPool } from '../base/buffer-pool.ts'
import { kibibyte, mebibyte } from '../base/units.ts'

/** Most bytes that stand in memory only. */
export const maxKeptBytes = 128 * kibibyte

/** Of all logs: a region of the journal may speak of very many, and what stands there is in a tail. */
const memory = new BufferPool(2 * maxKeptBytes, 16 * mebibyte)
const none: Buffer = Buffer.alloc(0)
/** How far ahead of the end blocks are reserved: about as much as there is, then a quarter of it. */
const minReservedBytes = 16 * kibibyte
const doubledBytes = mebibyte
const maxReservedBytes = 32 * mebibyte
/** How much is written after the disk had no room to reserve, before it is asked again. */
const retryBytes = mebibyte

export class SegmentTail {
  #buffer: Buffer = none
  /** It stands at `[#start, #end)` of the buffer. */
  #start = 0
  #end = 0
  #keptBytes = 0
  /** Where the blocks end that the file has; −1 when it cannot have any ahead. */
  reservedBytes = 0
  /** Below this size there was no room to reserve more. */
  #fullBelowBytes = 0

  /** What is part of the segment. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** What waits to be. */
  get waitingBytes(): number {
    return this.#end - this.#start - this.#keptBytes
  }

  /** The first `length` bytes, kept before waiting; good until the next `add`. */
  first(length: number): Buffer {
    return this.#buffer.subarray(this.#start, this.#start + length)
  }

  /** What waits; good until the next `add`, also once it is kept or written. */
  get waiting(): Buffer {
    return this.#buffer.subarray(this.#start + this.#keptBytes, this.#end)
  }

  /** Copies `bytes[start, end)` behind what waits. Allocates while the buffer grows. */
  add(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.#end + length > this.#buffer.length) this.#makeRoom(length)
    bytes.copy(this.#buffer, this.#end, start, end)
    this.#end += length
  }

  /** Moves what is there to the start of this buffer, or of a larger one. */
  #makeRoom(length: number): void {
    const from = this.#buffer
    const needed = this.#end - this.#start + length
    const to = needed <= from.length ? from : memory.take(Math.max(needed, 4 * from.length))
    from.copy(to, 0, this.#start, this.#end)
    if (to !== from && from !== none) memory.give(from)
    this.#buffer = to
    this.#end -= this.#start
    this.#start = 0
  }

  /** What waits is part of the segment now. */
  keep(): void {
    this.#keptBytes = this.#end - this.#start
  }

  /** What waits is not wanted. */
  dropWaiting(): void {
    this.#end = this.#start + this.#keptBytes
  }

  /** Copies kept bytes, from the one at `position` among them, to `target`. @returns how many. */
  read(target: Uint8Array, position: number): number {
    const count = Math.min(target.length, this.#keptBytes - position)
    const at = this.#start + position
    target.set(this.#buffer.subarray(at, at + count))
    return count
  }

  /** The first `length` bytes are in the file. Their memory is kept for what comes next. */
  written(length: number): void {
    this.#start += length
    this.#keptBytes = Math.max(this.#keptBytes - length, 0)
    if (this.#start === this.#end) this.#start = this.#end = 0
  }

  /** Gives its memory back if nothing is in it: a log that is idle keeps none. */
  releaseMemory(): void {
    if (this.#end > 0 || this.#buffer === none) return
    memory.give(this.#buffer)
    this.#buffer = none
  }

  /** The file was cut: it has no blocks ahead any more. */
  forgetReserved(): void {
    this.reservedBytes = Math.min(this.reservedBytes, 0)
    this.#fullBelowBytes = 0
  }

  /** Forgets all of it: the tail is not used any more. */
  drop(): void {
    this.#keptBytes = this.#start = this.#end = 0
    this.releaseMemory()
  }

  /** Whether blocks should be asked for, to grow to `sizeBytes`. */
  wantsReserve(sizeBytes: number): boolean {
    const { reservedBytes } = this
    return reservedBytes >= 0 && reservedBytes < sizeBytes && this.#fullBelowBytes <= sizeBytes
  }

  /** The disk had no room for a segment of `sizeBytes` and what comes after. */
  foundFull(sizeBytes: number): void {
    this.#fullBelowBytes = sizeBytes + retryBytes
  }

  /** How far to reserve, so that a segment may grow to `sizeBytes` and some way beyond, up to its limit. */
  static reserveTarget(sizeBytes: number, limitBytes: number): number {
    const few = Math.min(Math.max(sizeBytes, minReservedBytes), doubledBytes)
    const ahead = Math.min(Math.max(sizeBytes / 4, few), maxReservedBytes)
    const wanted = Math.min(sizeBytes + ahead, Math.max(sizeBytes, limitBytes))
    return Math.ceil(wanted / 4096) * 4096
  }
}
