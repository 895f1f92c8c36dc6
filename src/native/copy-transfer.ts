import { Buffer } from 'node:buffer'
import type { SendFileDone, SendFileTransfer, SendTarget } from './binding.ts'
import { systemError } from './system-error.ts'

/** Bytes read and queued at a time: one chunk is in flight, so this bounds memory per transfer. */
const chunkBytes = 256 * 1024

/** Reads into `target` from `position`; returns bytes read, 0 only at the end of the file. */
export type ReadAt = (target: Uint8Array, position: number) => number

/**
 * `NativeBinding.sendFile` by copying, one chunk at a time: read, hand to the socket, wait until it
 * left, then the next one in a later turn of the event loop.
 */
export class CopyTransfer implements SendFileTransfer {
  readonly #target: SendTarget
  readonly #read: ReadAt
  readonly #done: SendFileDone
  readonly #lengthBytes: number
  #position: number
  #sentBytes = 0
  #isDone = false

  constructor(
    target: SendTarget,
    read: ReadAt,
    position: number,
    lengthBytes: number,
    done: SendFileDone,
  ) {
    this.#target = target
    this.#read = read
    this.#position = position
    this.#lengthBytes = lengthBytes
    this.#done = done
    setImmediate(() => this.#sendNext())
  }

  cancel(): void {
    if (this.#isDone) return
    this.#isDone = true
    setImmediate(() => this.#done(systemError('ECANCELED', 'sendfile'), this.#sentBytes))
  }

  #sendNext(): void {
    if (this.#isDone) return
    const remaining = this.#lengthBytes - this.#sentBytes
    if (remaining === 0) {
      this.#finish(null)
      return
    }
    try {
      this.#sendChunk(Math.min(remaining, chunkBytes))
    } catch (error) {
      this.#finish(error as Error)
    }
  }

  #sendChunk(wantedBytes: number): void {
    // The socket may keep the chunk after `write` returned, so each has memory of its own.
    const chunk = Buffer.allocUnsafeSlow(wantedBytes)
    const count = this.#read(chunk, this.#position)
    if (count === 0) throw systemError('ESTALE', 'sendfile', 'the file ends inside the slice')
    const filled = count === wantedBytes ? chunk : chunk.subarray(0, count)
    this.#target.write(filled, (error) => {
      if (this.#isDone) return
      if (error) {
        this.#finish(error)
        return
      }
      this.#position += count
      this.#sentBytes += count
      // A socket that takes everything at once calls back without a turn of the event loop.
      setImmediate(() => this.#sendNext())
    })
  }

  #finish(error: Error | null): void {
    this.#isDone = true
    this.#done(error, this.#sentBytes)
  }
}
