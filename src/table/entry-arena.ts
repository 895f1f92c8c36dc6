/**
 * Keys and values of a table in memory: entries one after the other in chunks outside the
 * JavaScript heap, so that millions of them cost the garbage collector nothing.
 *
 *     entry :=                       // begins at a multiple of 8 bytes
 *       state and keyLength: uint32  // 2 bits, 30 bits
 *       valueLength:         uint32  // 2^32 − 1: no value, a deletion
 *       key, value, zeros up to a multiple of 8
 *
 * A reference to an entry is 32 bits, signed: 17 for the chunk, 15 for its place in steps of 8
 * bytes; 0 refers to nothing. Bytes are never changed once written, except for the state, so a
 * chunk's memory can be read for as long as somebody holds it.
 *
 * An entry is staged when written, live when it is what its key holds, dead when it is not any
 * more. It is dying instead while a snapshot that must still show it is being written.
 */
import { assert } from '../base/assert.ts'
import { kibibyte } from '../base/units.ts'
import { copyBytes } from '../record/field-writer.ts'
import { readInt32, writeInt32 } from '../record/int64.ts'

export type EntryState = typeof live | typeof dead | typeof dying | typeof staged
export const live = 0
export const dead = 1
export const dying = 2
export const staged = 3

export type Chunk = {
  readonly number: number
  readonly bytes: Buffer
  /** End of the entries, exclusive. */
  used: number
  deadBytes: number
  stagedCount: number
  /** Entries below belong to the snapshot being written; 0 when there is none, or they are in it. */
  scanEnd: number
}

export const entryHeaderSize = 8
/** Chunks are no larger, unless for one entry that is. */
export const chunkBytes: number = 256 * kibibyte
const firstChunkBytes = 4 * kibibyte
/** An entry larger than this that does not fit has a chunk of its own: others go on where they were. */
const ownChunkBytes = chunkBytes / 2
const noValue = -1
const placeBits = 15
const placeMask = (1 << placeBits) - 1
/** Chunk 0 is not used: reference 0 is none. */
const maxChunks = 2 ** (32 - placeBits)
export const maxKeyBytes: number = 2 ** 30 - 1
assert(chunkBytes === 8 << placeBits, 'a reference reaches every place of a chunk')

export class EntryArena {
  readonly #chunks: (Chunk | undefined)[] = [undefined]
  readonly #free: number[] = []
  #tail = 0
  #usedBytes = 0
  #deadBytes = 0
  #capacityBytes = 0

  /** Bytes of entries that are not dead. */
  get liveBytes(): number {
    return this.#usedBytes - this.#deadBytes
  }
  get deadBytes(): number {
    return this.#deadBytes
  }
  /** Memory held. */
  get capacityBytes(): number {
    return this.#capacityBytes
  }

  /** Chunks that hold entries. */
  *chunks(): Generator<Chunk> {
    for (const chunk of this.#chunks) if (chunk !== undefined) yield chunk
  }

  chunkOf(ref: number): Chunk {
    return this.#chunks[ref >>> placeBits]!
  }

  bytesOf(ref: number): Buffer {
    return this.#chunks[ref >>> placeBits]!.bytes
  }

  /** Whether there is room for an entry of `sizeBytes` within what references reach. */
  hasRoom(sizeBytes: number): boolean {
    if (this.#free.length > 0 || this.#chunks.length < maxChunks) return true
    const tail = this.#chunks[this.#tail]
    return tail !== undefined && tail.used + sizeBytes <= tail.bytes.length
  }

  /**
   * Writes a staged entry of `key[keyStart, keyEnd)` and `value[valueStart, valueEnd)`; a negative
   * `valueStart` is a deletion. `hasRoom` was asked.
   */
  stage(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): number {
    const keyLength = keyEnd - keyStart
    const valueLength = valueStart < 0 ? noValue : valueEnd - valueStart
    const ref = this.#allocate(entrySize(keyLength, Math.max(0, valueLength)))
    const chunk = this.chunkOf(ref)
    const { bytes } = chunk
    let at = placeOf(ref)
    writeInt32(bytes, at, (staged << 30) | keyLength)
    writeInt32(bytes, at + 4, valueLength)
    at = copyBytes(bytes, at + entryHeaderSize, key, keyStart, keyEnd)
    if (valueStart >= 0) at = copyBytes(bytes, at, value, valueStart, valueEnd)
    while (at < chunk.used) bytes[at++] = 0
    chunk.stagedCount++
    return ref
  }

  /** Writes a copy of an entry in the state it has, and returns where. */
  copy(ref: number): number {
    const bytes = this.bytesOf(ref)
    const at = placeOf(ref)
    const sizeBytes = this.sizeOf(ref)
    const copy = this.#allocate(sizeBytes)
    const target = this.chunkOf(copy)
    target.bytes.set(bytes.subarray(at, at + sizeBytes), placeOf(copy))
    if (this.stateOf(copy) === staged) target.stagedCount++
    return copy
  }

  #allocate(sizeBytes: number): number {
    let chunk = this.#chunks[this.#tail]
    if (chunk === undefined || chunk.used + sizeBytes > chunk.bytes.length) {
      if (sizeBytes > ownChunkBytes) chunk = this.#add(Buffer.allocUnsafeSlow(sizeBytes), 0)
      else {
        const grown = Math.min(Math.max(firstChunkBytes, this.#capacityBytes), chunkBytes)
        chunk = this.adopt(Buffer.allocUnsafeSlow(Math.max(grown, sizeBytes)), 0)
      }
    }
    const ref = (chunk.number << placeBits) | (chunk.used >>> 3)
    chunk.used += sizeBytes
    this.#usedBytes += sizeBytes
    return ref
  }

  /** Takes over memory of which `[0, used)` are live entries; new ones go behind them. */
  adopt(bytes: Buffer, used: number): Chunk {
    const chunk = this.#add(bytes, used)
    this.#tail = chunk.number
    return chunk
  }

  #add(bytes: Buffer, used: number): Chunk {
    const number = this.#free.pop() ?? this.#chunks.length
    assert(number < maxChunks, 'a reference reaches every chunk')
    const chunk: Chunk = { number, bytes, used, deadBytes: 0, stagedCount: 0, scanEnd: 0 }
    this.#chunks[number] = chunk
    this.#usedBytes += used
    this.#capacityBytes += bytes.length
    return chunk
  }

  /** Reference to the entry at `place` of chunk `number`. */
  refAt(number: number, place: number): number {
    return (number << placeBits) | (place >>> 3)
  }

  /** Number of the chunk new entries go to; 0 when there is none. */
  get tail(): number {
    return this.#tail
  }

  /** Gives up a chunk, none of whose entries is staged or live. */
  release(number: number): void {
    const chunk = this.#chunks[number]!
    assert(chunk.used === chunk.deadBytes && number !== this.#tail, 'only dead entries are dropped')
    this.#chunks[number] = undefined
    this.#free.push(number)
    this.#usedBytes -= chunk.used
    this.#deadBytes -= chunk.used
    this.#capacityBytes -= chunk.bytes.length
  }

  stateOf(ref: number): EntryState {
    return (this.bytesOf(ref)[placeOf(ref)]! >>> 6) as EntryState
  }

  setState(ref: number, state: EntryState): void {
    const chunk = this.chunkOf(ref)
    const at = placeOf(ref)
    const previous = chunk.bytes[at]! >>> 6
    chunk.bytes[at] = (chunk.bytes[at]! & 0x3f) | (state << 6)
    if (previous === staged) chunk.stagedCount--
    const isCounted = previous === dead || previous === dying
    if ((state === dead || state === dying) && !isCounted) {
      const sizeBytes = this.sizeOf(ref)
      chunk.deadBytes += sizeBytes
      this.#deadBytes += sizeBytes
    }
  }

  keyLengthOf(ref: number): number {
    return readInt32(this.bytesOf(ref), placeOf(ref)) & maxKeyBytes
  }

  /** −1 for a deletion. */
  valueLengthOf(ref: number): number {
    return readInt32(this.bytesOf(ref), placeOf(ref) + 4)
  }

  /** Bytes of the whole entry. */
  sizeOf(ref: number): number {
    return entrySize(this.keyLengthOf(ref), Math.max(0, this.valueLengthOf(ref)))
  }
}

/** Where in its chunk an entry begins. */
export function placeOf(ref: number): number {
  return (ref & placeMask) << 3
}

/** Bytes of an entry, padding included. */
export function entrySize(keyLength: number, valueLength: number): number {
  return (entryHeaderSize + keyLength + valueLength + 7) & ~7
}
