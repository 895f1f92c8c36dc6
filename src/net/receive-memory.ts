/**
 * Memory that connections receive into. All of a server read into one buffer, one after the other, as
 * long as what they read is used up at once; a connection with a part of a frame left has a buffer of
 * its own, and gives it back. So thousands of idle connections cost nothing, and busy ones allocate
 * nothing: Node's own way, a new 64 KiB for every read, had V8 collect garbage for a third of the CPU.
 */
import { BufferPool } from '../base/buffer-pool.ts'

/** A buffer of this size is enough for whoever sends frames of ordinary size. */
export const usualBytes = 256 * 1024
const mostFreeBytes = 8 * 1024 * 1024

export class ReceiveMemory extends BufferPool {
  /** For whoever reads now: what is in it must be used, or copied away, before the next one reads. */
  readonly shared: Buffer = Buffer.allocUnsafeSlow(usualBytes)

  constructor() {
    // A part of a frame, what came in one read and waits, and room for the next.
    super(4 * usualBytes, mostFreeBytes)
  }
}
