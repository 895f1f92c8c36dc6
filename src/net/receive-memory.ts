/**
 * Memory that connections receive into. All of a server read into one buffer, one after the other, as
 * long as what they read is used up at once; a connection with a part of a frame left has a buffer of
 * its own, and gives it back. So thousands of idle connections cost nothing, and busy ones allocate
 * nothing: Node's own way, a new 64 KiB for every read, had V8 collect garbage for a third of the CPU.
 */

const smallestBytes = 4096
/** A buffer of this size is enough for whoever sends frames of ordinary size. */
export const usualBytes = 256 * 1024
/** What is kept for the next one. */
const keptBytes = 8 * 1024 * 1024

export class ReceiveMemory {
  /** For whoever reads now: what is in it must be used, or copied away, before the next one reads. */
  readonly shared: Buffer = Buffer.allocUnsafeSlow(usualBytes)
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  /** A buffer of at least `sizeBytes`, for one connection. Up to `usualBytes` it is a power of two. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > usualBytes) return Buffer.allocUnsafeSlow(sizeBytes)
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
    if (length > usualBytes || this.#freeBytes + length > keptBytes) return
    const known = this.#free.get(length)
    if (known === undefined) this.#free.set(length, [buffer])
    else known.push(buffer)
    this.#freeBytes += length
  }
}
