/**
 * Variable-length integers of the record format: base-128, least significant group first, over
 * the zigzag form, so that small numbers of either sign are short.
 *
 *     zigzag(n) := n ≥ 0 ? 2n : −2n − 1
 *     varint    32 bits, 1–5 bytes      varlong    64 bits, 1–10 bytes
 *
 * Like the reference implementation the reader refuses a sixth (eleventh) byte, drops bits beyond
 * 32 (64), and takes encodings padded with zero groups.
 *
 * No BigInt: a varlong is split into its lowest 28 bits and the rest. Values beyond ±(2^53 − 1)
 * decode to an error, never to a rounded number.
 * Origin: Protocol Buffers encoding; Kafka's use of it, KIP-98.
 */
import { assert } from '../base/assert.ts'
import { CorruptBatchError } from '../base/errors.ts'

export const maxVarintSize = 5
export const maxVarlongSize = 10

const twoTo27 = 0x800_0000
const twoTo55 = twoTo27 * 0x1000_0000

/** Bytes of the varint of a 32-bit signed integer. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < 0x1000_0000 ? 4 : 5
}

/** Bytes of the varlong of a safe integer. */
export function varlongSize(value: number): number {
  if (value === (value | 0)) return varintSize(value)
  let rest = Math.floor((value < 0 ? -value - 1 : value) / twoTo27)
  let size = 4
  for (; rest > 0; rest >>>= 7) size++
  return size
}

/**
 * Writes a 32-bit signed integer; the buffer must have room for `varintSize(value)` bytes.
 * @returns position after the last byte written.
 */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  while (zigzag > 0x7f) {
    bytes[position++] = zigzag | 0x80
    zigzag >>>= 7
  }
  bytes[position++] = zigzag
  return position
}

/**
 * Writes a safe integer; the buffer must have room for `varlongSize(value)` bytes.
 * @returns position after the last byte written.
 */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, position, value)
  assert(Number.isSafeInteger(value), 'a varlong is a safe integer')
  // 2n itself may pass 2^53 and round, so the zigzag form is only ever held in two parts: its
  // low 28 bits, and the rest (below 2^26).
  const half = value < 0 ? -value - 1 : value
  const low = ((half & (twoTo27 - 1)) << 1) | (value < 0 ? 1 : 0)
  let rest = Math.floor(half / twoTo27)
  bytes[position++] = low | 0x80
  bytes[position++] = (low >>> 7) | 0x80
  bytes[position++] = (low >>> 14) | 0x80
  if (rest === 0) {
    bytes[position++] = low >>> 21
    return position
  }
  bytes[position++] = (low >>> 21) | 0x80
  while (rest > 0x7f) {
    bytes[position++] = rest | 0x80
    rest >>>= 7
  }
  bytes[position++] = rest
  return position
}

const noBytes = new Uint8Array(0)

/**
 * Reads varints one after the other from `bytes[position, end)`. Reusable; allocates nothing.
 * Every read throws CorruptBatchError when the bytes end or the integer is too long.
 */
export class VarintReader {
  bytes: Uint8Array = noBytes
  position = 0
  /** Exclusive; at most `bytes.length`. */
  end = 0

  at(bytes: Uint8Array, position: number, end: number): this {
    assert(position >= 0 && position <= end && end <= bytes.length, 'the range lies in the bytes')
    this.bytes = bytes
    this.position = position
    this.end = end
    return this
  }

  /** A 32-bit signed integer. */
  readVarint(): number {
    const { bytes, position } = this
    if (position >= this.end) throw endOfBytes(position)
    const first = bytes[position]!
    if (first < 0x80) {
      this.position = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
    return this.#readLongVarint(first)
  }

  #readLongVarint(first: number): number {
    const { bytes, end } = this
    let position = this.position + 1
    let zigzag = first & 0x7f
    for (let shift = 7; ; shift += 7) {
      if (position >= end) throw endOfBytes(position)
      const byte = bytes[position++]!
      zigzag |= (byte & 0x7f) << shift
      if (byte < 0x80) break
      if (shift === 28) throw tooLong('varint', maxVarintSize, this.position)
    }
    this.position = position
    return (zigzag >>> 1) ^ -(zigzag & 1)
  }

  /** A 64-bit signed integer, which must be a safe one (else CorruptBatchError). */
  readVarlong(): number {
    const start = this.position
    const value = this.readVarlongOrNaN()
    if (Number.isNaN(value)) {
      throw new CorruptBatchError(`varlong at byte ${start} is beyond ±(2^53 − 1)`)
    }
    return value
  }

  /** A 64-bit signed integer, or NaN when it is whole but not a safe integer. */
  readVarlongOrNaN(): number {
    const { bytes, position } = this
    if (position >= this.end) throw endOfBytes(position)
    const first = bytes[position]!
    if (first < 0x80) {
      this.position = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
    return this.#readLongVarlong()
  }

  #readLongVarlong(): number {
    const { bytes, end } = this
    let position = this.position
    let low = 0 // bits 0–27 of the zigzag form
    let middle = 0 // bits 28–55
    let high = 0 // bits 56–63
    for (let index = 0; ; index++) {
      if (index === maxVarlongSize) throw tooLong('varlong', maxVarlongSize, this.position)
      if (position >= end) throw endOfBytes(position)
      const byte = bytes[position++]!
      const group = byte & 0x7f
      if (index < 4) low |= group << (7 * index)
      else if (index < 8) middle |= group << (7 * (index - 4))
      else high |= (index === 9 ? group & 1 : group) << (7 * (index - 8))
      if (byte < 0x80) break
    }
    this.position = position
    const half = (low >>> 1) + middle * twoTo27 + high * twoTo55
    const value = (low & 1) === 1 ? -half - 1 : half
    return Number.isSafeInteger(value) ? value : Number.NaN
  }
}

function endOfBytes(position: number): CorruptBatchError {
  return new CorruptBatchError(`bytes end at ${position}, inside a record`)
}

function tooLong(kind: string, limit: number, position: number): CorruptBatchError {
  return new CorruptBatchError(`${kind} at byte ${position} is longer than ${limit} bytes`)
}
