/**
 * Cuts a byte stream into frames.
 *
 *     frame := size: int32 (big-endian, not counting itself), size bytes
 *
 * Memory holds only bytes that arrived: a frame's size is checked as soon as its four bytes are
 * there, and nothing is allocated for the rest before the rest is there too. A frame inside one
 * chunk is a view of it; one that spans chunks is put together once.
 */
const prefixBytes = 4

/** The stream can no longer be cut into frames. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

export class FrameDecoder {
  readonly #maxFrameBytes: number
  /** Chunks not used up; those before `#first` are. */
  #chunks: Buffer[] = []
  #first = 0
  /** Bytes of the first chunk already used. */
  #used = 0
  #bytes = 0

  /** `maxFrameBytes` counts a frame without its prefix. */
  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Bytes received and not yet handed out. */
  get bufferedBytes(): number {
    return this.#bytes
  }

  /** Takes over `chunk`: the caller must not change it later. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** The next whole frame without its prefix, or undefined until more bytes arrive. */
  next(): Buffer | undefined {
    if (this.#bytes < prefixBytes) return undefined
    const size = this.#peekSize()
    if (size < 0) throw new FrameError(`a frame of size ${size}`)
    if (size > this.#maxFrameBytes) {
      throw new FrameError(`a frame of ${size} bytes, the limit is ${this.#maxFrameBytes}`)
    }
    if (this.#bytes < prefixBytes + size) return undefined
    this.#skip(prefixBytes)
    return this.#take(size)
  }

  /** Forgets what was received. */
  clear(): void {
    this.#chunks = []
    this.#first = 0
    this.#used = 0
    this.#bytes = 0
  }

  #peekSize(): number {
    const chunk = this.#chunks[this.#first]!
    if (chunk.length - this.#used >= prefixBytes) return chunk.readInt32BE(this.#used)
    let size = 0
    let index = this.#first
    let at = this.#used
    for (let i = 0; i < prefixBytes; i++) {
      while (at === this.#chunks[index]!.length) {
        index++
        at = 0
      }
      size = (size << 8) | this.#chunks[index]![at++]!
    }
    return size
  }

  #skip(count: number): void {
    this.#bytes -= count
    while (count > 0) {
      const left = this.#chunks[this.#first]!.length - this.#used
      if (count < left) {
        this.#used += count
        return
      }
      count -= left
      this.#dropFirst()
    }
  }

  #take(size: number): Buffer {
    const chunk = this.#chunks[this.#first]
    if (chunk === undefined || chunk.length - this.#used >= size) {
      const view = chunk?.subarray(this.#used, this.#used + size) ?? Buffer.alloc(0)
      this.#skip(size)
      return view
    }
    const whole = Buffer.allocUnsafeSlow(size)
    let filled = 0
    while (filled < size) {
      const source = this.#chunks[this.#first]!
      const count = source.copy(whole, filled, this.#used, this.#used + size - filled)
      filled += count
      this.#skip(count)
    }
    return whole
  }

  #dropFirst(): void {
    this.#first++
    this.#used = 0
    // Moving the rest down costs as much as it frees: amortised, each chunk moves once.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first)
      this.#first = 0
    }
  }
}
