/**
 * Buffers that are used again. V8 counts every buffer as memory that a collection may free, and begins
 * one after some megabytes of them: where buffers come and go all the time, that costs more than the
 * work they are for.
 */
const smallestBytes = 4096

export class BufferPool {
  readonly #largestBytes: number
  readonly #mostFreeBytes: number
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  /**
   * @param largestBytes  buffers above this are not kept; a power of two.
   * @param mostFreeBytes how much is kept for the next one at most.
   */
  constructor(largestBytes: number, mostFreeBytes: number) {
    this.#largestBytes = largestBytes
    this.#mostFreeBytes = mostFreeBytes
  }

  /** A buffer of at least `sizeBytes`, not zeroed: a power of two up to the largest that is kept. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > this.#largestBytes) return Buffer.allocUnsafeSlow(sizeBytes)
    let capacity = smallestBytes
    while (capacity < sizeBytes) capacity *= 2
    const found = this.#free.get(capacity)?.pop()
    if (found === undefined) return Buffer.allocUnsafeSlow(capacity)
    this.#freeBytes -= capacity
    return found
  }

  /** Takes back what `take` gave, which nobody must use any more. */
  give(buffer: Buffer): void {
    const { length } = buffer
    if (length > this.#largestBytes || this.#freeBytes + length > this.#mostFreeBytes) return
    const known = this.#free.get(length)
    if (known === undefined) this.#free.set(length, [buffer])
    else known.push(buffer)
    this.#freeBytes += length
  }
}
