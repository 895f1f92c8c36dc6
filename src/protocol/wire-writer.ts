/**
 * Writes the primitives of the Kafka protocol (grammar in wire-reader.ts) into one frame that may
 * carry regions of files: the frame comes out as parts, plain bytes and file slices in order, so
 * that a Fetch answer never copies its records through this process.
 *
 * Values their encoding cannot carry throw: ProtocolError for strings over 32,767 bytes, unsafe
 * integers and malformed uuids, RangeError for smaller integers out of range.
 */
import { assert } from '../base/assert.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import { ProtocolError } from './protocol-error.ts'

export type WirePart = Buffer | FileSlice

/** One frame, its length prefix included. `sizeBytes` is the sum over `parts`. */
export type WireFrame = { readonly parts: readonly WirePart[]; readonly sizeBytes: number }

/** What a records field is written from: bytes already in memory, file regions, or a run of both. */
export type RecordsSource = WirePart | readonly WirePart[]

/** Below this, copying records into the frame is cheaper than one more part to write. */
const copyBelowBytes = 4096

/** Scratch kept between frames; a larger one is dropped after its frame. */
const scratchBytes = 64 * 1024

const maxStringBytes = 32_767

let spareScratch: Buffer | undefined

export class WireWriter {
  #bytes: Buffer
  #position = 0
  /** Foreign parts and where in `#bytes` they belong, in order. */
  readonly #foreign: { at: number; part: WirePart }[] = []
  #foreignBytes = 0

  constructor() {
    this.#bytes = spareScratch ?? Buffer.allocUnsafeSlow(scratchBytes)
    spareScratch = undefined
    this.#position = 4 // the frame's length, known at the end
  }

  /** Ends the frame. The parts belong to the caller; the writer must not be used again. */
  finish(): WireFrame {
    const own = Buffer.allocUnsafe(this.#position)
    this.#bytes.copy(own, 0, 0, this.#position)
    this.#giveBackScratch()
    const sizeBytes = own.length + this.#foreignBytes
    own.writeInt32BE(sizeBytes - 4, 0)
    if (this.#foreign.length === 0) return { parts: [own], sizeBytes }
    const parts: WirePart[] = []
    let from = 0
    for (const { at, part } of this.#foreign) {
      if (at > from) parts.push(own.subarray(from, at))
      parts.push(part)
      from = at
    }
    if (from < own.length) parts.push(own.subarray(from))
    return { parts, sizeBytes }
  }

  /** Gives up the frame. File slices it took are the caller's again. */
  abandon(): void {
    this.#giveBackScratch()
  }

  #giveBackScratch(): void {
    if (this.#bytes.length === scratchBytes) spareScratch = this.#bytes
    this.#bytes = Buffer.alloc(0)
  }

  bool(value: boolean): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value ? 1 : 0
  }

  int8(value: number): void {
    const at = this.#reserve(1)
    this.#bytes.writeInt8(value, at)
  }

  int16(value: number): void {
    const at = this.#reserve(2)
    this.#bytes.writeInt16BE(value, at)
  }

  uint16(value: number): void {
    const at = this.#reserve(2)
    this.#bytes.writeUInt16BE(value, at)
  }

  int32(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeInt32BE(value, at)
  }

  uint32(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeUInt32BE(value, at)
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new ProtocolError(`${value} is no safe integer`)
    const high = Math.floor(value / 4_294_967_296)
    const at = this.#reserve(8)
    this.#bytes.writeInt32BE(high, at)
    this.#bytes.writeUInt32BE(value - high * 4_294_967_296, at + 4)
  }

  float64(value: number): void {
    const at = this.#reserve(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  /** `value` is 22 characters of URL-safe base64. */
  uuid(value: string): void {
    const at = this.#reserve(16)
    if (value.length !== 22 || this.#bytes.write(value, at, 16, 'base64url') !== 16) {
      throw new ProtocolError(`${JSON.stringify(value.slice(0, 40))} is no uuid`)
    }
  }

  uvarint(value: number): void {
    let at = this.#reserve(5)
    while (value > 0x7f) {
      this.#bytes[at++] = (value & 0x7f) | 0x80
      value = value >>> 7
    }
    this.#bytes[at++] = value
    this.#position = at
  }

  string(value: string): void {
    const at = this.#reserve(2)
    const length = this.#text(value)
    this.#bytes.writeInt16BE(length, at)
  }

  nullString(): void {
    this.int16(-1)
  }

  compactString(value: string): void {
    // One byte of prefix is enough below 127 bytes, and a UTF-16 unit takes at most three.
    if (value.length > 42) this.uvarint(Buffer.byteLength(value) + 1)
    else {
      const at = this.#reserve(1)
      const length = this.#text(value)
      this.#bytes[at] = length + 1
      return
    }
    this.#text(value)
  }

  #text(value: string): number {
    if (value.length > maxStringBytes) this.#refuseText()
    this.#makeRoom(value.length * 3)
    const length = this.#bytes.write(value, this.#position)
    if (length > maxStringBytes) this.#refuseText()
    this.#position += length
    return length
  }

  #refuseText(): never {
    throw new ProtocolError(`a string is longer than ${maxStringBytes} bytes`)
  }

  /** `compactNull` and `compactLength` serve strings, bytes and arrays alike. */
  compactNull(): void {
    this.uvarint(0)
  }

  compactLength(length: number): void {
    this.uvarint(length + 1)
  }

  /** Bytes without a length. Large ones become a part of their own: do not change them later. */
  raw(value: Buffer): void {
    if (value.length >= copyBelowBytes) {
      this.#addForeign(value, value.length)
      return
    }
    const at = this.#reserve(value.length)
    value.copy(this.#bytes, at)
  }

  /** A region of a file, released by whoever consumes or discards the frame. */
  fileSlice(value: FileSlice): void {
    this.#addForeign(value, value.length)
  }

  #addForeign(part: WirePart, length: number): void {
    if (length === 0) return
    this.#foreign.push({ at: this.#position, part })
    this.#foreignBytes += length
  }

  /** Writes one tagged value: tag, size, then what `write` puts out (no foreign parts). */
  tag(tag: number, write: () => void): void {
    this.uvarint(tag)
    const start = this.#position
    const foreignCount = this.#foreign.length
    write()
    assert(this.#foreign.length === foreignCount, 'a tagged value holds no foreign parts')
    // The size stands before the value and is known only after: write it behind, then swap.
    const size = this.#position - start
    this.uvarint(size)
    const sizeBytes = this.#position - start - size
    const encodedSize = Buffer.from(this.#bytes.subarray(start + size, this.#position))
    this.#bytes.copyWithin(start + sizeBytes, start, start + size)
    encodedSize.copy(this.#bytes, start)
  }

  /**
   * Advances by `size` bytes and returns where they begin. `#bytes` may be another buffer afterwards: in
   * `this.#bytes.f(this.#reserve(n))` it would be the one from before.
   */
  #reserve(size: number): number {
    this.#makeRoom(size)
    const at = this.#position
    this.#position = at + size
    return at
  }

  #makeRoom(size: number): void {
    const needed = this.#position + size
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#position)
    this.#bytes = larger
  }
}
