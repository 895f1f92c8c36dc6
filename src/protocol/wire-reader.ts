/**
 * Reads the primitives of the Kafka protocol out of one frame, big-endian.
 *
 *     classic string  := length: int16 (−1 = null), UTF-8
 *     compact string  := length + 1: uvarint (0 = null), UTF-8
 *     classic bytes   := length: int32 (−1 = null), bytes
 *     compact bytes   := length + 1: uvarint (0 = null), bytes
 *     classic array   := count: int32 (−1 = null), items
 *     compact array   := count + 1: uvarint (0 = null), items
 *     uuid            := 16 bytes; here 22 characters of URL-safe base64
 *     uvarint         := 7 bits a byte, low group first, at most 5 bytes (32 bits)
 *     tags            := count: uvarint, { tag: uvarint, size: uvarint, bytes } ascending by tag
 *
 * Whatever the peer wrote, nothing is read past the frame and nothing is allocated for a length
 * or count that the bytes left cannot hold. All failures are ProtocolErrors.
 */
import { ProtocolError } from './protocol-error.ts'

/**
 * Array items and tags one frame may hold. The smallest item is one byte on the wire and a
 * hundred in memory, so the frame limit alone would not bound what a frame decodes to.
 */
export const maxItemsPerFrame = 1_000_000

const maxStringBytes = 32_767

export class WireReader {
  readonly #bytes: Buffer
  #position: number
  #end: number
  #itemsLeft = maxItemsPerFrame

  /** Reads `bytes[start, end)`. `bytes` is kept: views handed out share its memory. */
  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
  }

  /** Bytes from the start of the buffer to what is read next. */
  get position(): number {
    return this.#position
  }

  get bytesLeft(): number {
    return this.#end - this.#position
  }

  bool(): boolean {
    return this.#bytes[this.#take(1)] !== 0
  }

  int8(): number {
    return (this.#bytes[this.#take(1)]! << 24) >> 24
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  /** Refuses what a `number` cannot hold exactly. */
  int64(): number {
    const value = this.#int64()
    if (!Number.isSafeInteger(value)) {
      throw new ProtocolError(`int64 beyond 2^53 at byte ${this.#position - 8}`)
    }
    return value
  }

  /** As int64, with what is beyond ±(2^53 − 1) drawn to that bound. */
  saturatedInt64(): number {
    const value = this.#int64()
    if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
    if (value < Number.MIN_SAFE_INTEGER) return Number.MIN_SAFE_INTEGER
    return value
  }

  #int64(): number {
    const at = this.#take(8)
    return this.#bytes.readInt32BE(at) * 4_294_967_296 + this.#bytes.readUInt32BE(at + 4)
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8))
  }

  uuid(): string {
    const at = this.#take(16)
    return this.#bytes.toString('base64url', at, at + 16)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#bytes[this.#take(1)]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.#bytes[this.#take(1)]!
    if (last > 0x0f) throw new ProtocolError(`varint beyond 32 bits at byte ${this.#position - 5}`)
    return last * 0x1000_0000 + value
  }

  nullableString(): string | null {
    const length = this.int16()
    return length === -1 ? null : this.#text(length)
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.#text(length)
  }

  #text(length: number): string {
    if (length > maxStringBytes) this.#refuseLength('string', length)
    const at = this.#takeLength('string', length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  /** A view of the frame, not a copy. */
  nullableBytes(): Buffer | null {
    const length = this.int32()
    return length === -1 ? null : this.#view(length)
  }

  /** A view of the frame, not a copy. */
  compactNullableBytes(): Buffer | null {
    const length = this.uvarint() - 1
    return length === -1 ? null : this.#view(length)
  }

  #view(length: number): Buffer {
    const at = this.#takeLength('bytes', length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Item count of a classic array, −1 = null; `itemBytes` ≥ 1 is the least an item takes. */
  arrayCount(itemBytes: number): number {
    return this.#count(this.int32(), itemBytes)
  }

  /** Item count of a compact array, −1 = null. */
  compactArrayCount(itemBytes: number): number {
    return this.#count(this.uvarint() - 1, itemBytes)
  }

  #count(count: number, itemBytes: number): number {
    if (count === -1) return -1
    if (count < -1 || count * itemBytes > this.bytesLeft) this.#refuseLength('array', count)
    this.#spendItems(count)
    return count
  }

  #spendItems(count: number): void {
    this.#itemsLeft -= count
    if (this.#itemsLeft < 0) {
      throw new ProtocolError(`more than ${maxItemsPerFrame} items in one frame`)
    }
  }

  /** How many tags follow; nearly always none. */
  tagCount(): number {
    const count = this.uvarint()
    // A tag takes two bytes at least.
    if (count * 2 > this.bytesLeft) this.#refuseLength('tag buffer', count)
    this.#spendItems(count)
    return count
  }

  /**
   * Reads `count` tagged values. `readTag` reads the value of a tag it knows and ignores others:
   * what it leaves unread is skipped; reading past the value's size is refused.
   */
  tags(count: number, readTag: (tag: number) => void): void {
    const frameEnd = this.#end
    let lastTag = -1
    for (let i = 0; i < count; i++) {
      const tag = this.uvarint()
      if (tag <= lastTag) throw new ProtocolError(`tag ${tag} after tag ${lastTag}`)
      lastTag = tag
      const size = this.uvarint()
      if (size > this.bytesLeft) this.#refuseLength('tag', size)
      const tagEnd = this.#position + size
      this.#end = tagEnd
      readTag(tag)
      this.#position = tagEnd
      this.#end = frameEnd
    }
  }

  #takeLength(what: string, length: number): number {
    if (length < 0 || length > this.#end - this.#position) this.#refuseLength(what, length)
    const at = this.#position
    this.#position = at + length
    return at
  }

  #take(size: number): number {
    const at = this.#position
    if (size > this.#end - at)
      throw new ProtocolError(`the frame ends inside a field at byte ${at}`)
    this.#position = at + size
    return at
  }

  #refuseLength(what: string, length: number): never {
    throw new ProtocolError(
      `${what} of length ${length} at byte ${this.#position}, with ${this.bytesLeft} bytes left`,
    )
  }
}
