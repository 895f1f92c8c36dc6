/**
 * Cuts a byte stream into frames, in the memory it was received into.
 *
 *     frame := size: int32 (big-endian, not counting itself), size bytes
 *
 * Whoever receives puts bytes into `target` and says how many. A frame is a view of that memory: good
 * until `target` is asked for again. What is left then of an unfinished frame moves to a buffer of this
 * connection, and the rest is received right behind it.
 *
 * Memory is at most about twice what arrived: a frame's size is checked as soon as its four bytes are
 * there, and room for the rest grows with the rest.
 */
import { assert } from '../base/assert.ts'
import { ReceiveMemory, usualBytes } from './receive-memory.ts'

const prefixBytes = 4

/** The stream can no longer be cut into frames. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export class FrameDecoder {
  readonly #maxFrameBytes: number
  readonly #memory: ReceiveMemory
  /** What was received and not handed out stands at `[#start, #end)`. */
  #bytes: Buffer
  #start = 0
  #end = 0
  #targetEnd = 0
  /** The last read filled all the room it was given. */
  #wasFilled = false

  /** `maxFrameBytes` counts a frame without its prefix. */
  constructor(maxFrameBytes: number, memory: ReceiveMemory = new ReceiveMemory()) {
    this.#maxFrameBytes = maxFrameBytes
    this.#memory = memory
    this.#bytes = memory.shared
  }

  /** Bytes received and not yet handed out. */
  get bufferedBytes(): number {
    return this.#end - this.#start
  }

  /** Where the next bytes go: one at least. It stays as it is until the next call. */
  target(): Buffer {
    const wantedBytes = this.#wantedBytes()
    if (wantedBytes === 0) this.#useShared()
    else if (!this.#isOwn || this.#isShort(wantedBytes)) this.#moveTo(wantedBytes)
    const readBytes = Math.max(usualBytes, wantedBytes - this.bufferedBytes)
    this.#targetEnd = Math.min(this.#end + readBytes, this.#bytes.length)
    return this.#bytes.subarray(this.#end, this.#targetEnd)
  }

  get #isOwn(): boolean {
    return this.#bytes !== this.#memory.shared
  }

  get #hasFrame(): boolean {
    const { bufferedBytes } = this
    return bufferedBytes >= prefixBytes && prefixBytes + this.#peekSize() <= bufferedBytes
  }

  /** Whether what is left should move to the start of this buffer, or to a larger one. */
  #isShort(wantedBytes: number): boolean {
    const { length } = this.#bytes
    const roomBytes = length - this.#end
    if (roomBytes === 0) return true
    if (length < wantedBytes && !this.#hasFrame) return true
    return roomBytes < length / 4 && this.#start > length / 2
  }

  /** How large a buffer is called for; 0: nothing is left that needs one. */
  #wantedBytes(): number {
    const { bufferedBytes } = this
    if (bufferedBytes === 0) return 0
    // Frames wait that nobody takes yet. No more is read for now, but the next read comes into what is
    // said here: were that in proportion to what waits, each would read more for the next one to wait.
    if (this.#hasFrame) return bufferedBytes + usualBytes
    const frameBytes = bufferedBytes < prefixBytes ? 0 : prefixBytes + this.#peekSize()
    // A stream that fills every read gets larger ones.
    const wished = Math.max(frameBytes, this.#wasFilled ? usualBytes : 0)
    const mostBytes = 2 * (this.#wasFilled ? this.#bytes.length : bufferedBytes)
    return Math.max(Math.min(wished, mostBytes), bufferedBytes + 1)
  }

  #useShared(): void {
    if (this.#isOwn) this.#memory.give(this.#bytes)
    this.#bytes = this.#memory.shared
    this.#start = this.#end = 0
  }

  /** Puts what is left at the start of a buffer of at least `sizeBytes`. */
  #moveTo(sizeBytes: number): void {
    const { bufferedBytes } = this
    const from = this.#bytes
    const isLargeEnough = this.#isOwn && from.length >= sizeBytes
    const to = isLargeEnough ? from : this.#memory.take(sizeBytes)
    to.set(from.subarray(this.#start, this.#end))
    if (this.#isOwn && to !== from) this.#memory.give(from)
    this.#bytes = to
    this.#start = 0
    this.#end = bufferedBytes
  }

  /** So many bytes were put into `target`. */
  received(count: number): void {
    assert(this.#end + count <= this.#targetEnd, 'what was received fits the target')
    this.#end += count
    this.#wasFilled = this.#end === this.#targetEnd
  }

  /** Takes a copy of `chunk`, for whoever cannot receive into `target`. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const target = this.target()
      const count = Math.min(target.length, chunk.length - at)
      target.set(chunk.subarray(at, at + count))
      this.received(count)
      at += count
    }
  }

  /** The next whole frame without its prefix, or undefined until more bytes arrive. */
  next(): Buffer | undefined {
    if (this.bufferedBytes < prefixBytes) return undefined
    const size = this.#peekSize()
    if (size < 0) throw new FrameError(`a frame of size ${size}`)
    if (size > this.#maxFrameBytes) {
      throw new FrameError(`a frame of ${size} bytes, the limit is ${this.#maxFrameBytes}`)
    }
    const start = this.#start + prefixBytes
    if (start + size > this.#end) return undefined
    this.#start = start + size
    return this.#bytes.subarray(start, start + size)
  }

  #peekSize(): number {
    return this.#bytes.readInt32BE(this.#start)
  }

  /** Forgets what was received; `target` stays where it is. */
  clear(): void {
    this.#start = this.#end
  }

  /** Gives its memory back. Nothing is received any more, not even by who has `target`. */
  release(): void {
    this.#useShared()
  }
}
