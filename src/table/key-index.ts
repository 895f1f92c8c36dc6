/**
 * Finds the live entry of a key: a hash table over the entries of an arena.
 *
 * It is split into 256 parts by the upper bits of the hash, each an open-addressed table of
 * (hash, reference) pairs that doubles on its own: no insertion moves more than 1/256 of the
 * entries. 8 bytes a pair, filled to between 40 and 80 %.
 *
 * The hash is the 32-bit MurmurHash3 (A. Appleby), seeded per table.
 */
import { type EntryArena, entryHeaderSize, placeOf } from './entry-arena.ts'

type Part = { slots: Int32Array; count: number }

const partBits = 8
const partShift = 32 - partBits
const firstPairs = 4
/** Keys whose hashes are made together. */
export const groupSize = 64
/** Share of pairs in use at which a part doubles. */
const maxFill = 0.8

export class KeyIndex {
  readonly #arena: EntryArena
  readonly #seed: number
  #parts: (Part | undefined)[] = new Array(1 << partBits).fill(undefined)
  #size = 0
  #pairs = 0
  /** Result of `#hashText`. */
  #hash = 0
  /** Those of a group; the last is what keeps the looks of `hashGroup` from being left out. */
  readonly #hashes = new Int32Array(groupSize + 1)

  /** `seed` makes collisions differ from table to table. */
  constructor(arena: EntryArena, seed: number) {
    this.#arena = arena
    this.#seed = seed | 0
  }

  /** Keys held. */
  get size(): number {
    return this.#size
  }

  /** Memory of the pairs. */
  get capacityBytes(): number {
    return this.#pairs * 8
  }

  /** Live entry of a key given as text, which stands for its UTF-8; 0 when there is none. */
  findText(key: string): number {
    if (!this.#hashText(key)) {
      const bytes = Buffer.from(key)
      return this.find(bytes, 0, bytes.length)
    }
    const hash = this.#hash
    const part = this.#parts[hash >>> partShift]
    if (part === undefined) return 0
    const { slots } = part
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const ref = slots[at + 1]!
      if (ref === 0) return 0
      if (slots[at] === hash && this.#isText(ref, key)) return ref
    }
  }

  /** Live entry of the key `bytes[start, end)`; 0 when there is none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, this.#seed)
    const part = this.#parts[hash >>> partShift]
    if (part === undefined) return 0
    const at = this.#locate(part.slots, hash, bytes, start, end)
    return part.slots[at + 1]!
  }

  /**
   * Hashes of the keys of `refs[from, to)`, at most `groupSize`, for `link` and `unlink`; valid until
   * the next call. It looks at the places they lead to: with nothing else in between, the processor
   * waits for memory for several of them at a time.
   */
  hashGroup(refs: readonly number[], from: number, to: number): Int32Array {
    const hashes = this.#hashes
    for (let index = from; index < to; index++) hashes[index - from] = this.#hashOf(refs[index]!)
    let looked = 0
    for (let index = 0; index < to - from; index++) {
      const hash = hashes[index]!
      const slots = this.#parts[hash >>> partShift]?.slots
      if (slots !== undefined) looked ^= slots[(hash << 1) & (slots.length - 1)]!
    }
    hashes[groupSize] = looked
    return hashes
  }

  #hashOf(ref: number): number {
    const start = placeOf(ref) + entryHeaderSize
    const end = start + this.#arena.keyLengthOf(ref)
    return hashBytes(this.#arena.bytesOf(ref), start, end, this.#seed)
  }

  /** Makes `ref` the entry of its key; returns the one it replaces, or 0. */
  link(ref: number, hash: number = this.#hashOf(ref)): number {
    const bytes = this.#arena.bytesOf(ref)
    const start = placeOf(ref) + entryHeaderSize
    const end = start + this.#arena.keyLengthOf(ref)
    const part = (this.#parts[hash >>> partShift] ??= this.#newPart())
    const at = this.#locate(part.slots, hash, bytes, start, end)
    const previous = part.slots[at + 1]!
    part.slots[at] = hash
    part.slots[at + 1] = ref
    if (previous === 0) {
      this.#size++
      part.count++
      if (part.count > (part.slots.length / 2) * maxFill) this.#grow(part)
    }
    return previous
  }

  /** Removes the key of `ref`; returns the live entry it had, or 0. */
  unlink(ref: number, hash: number): number {
    const bytes = this.#arena.bytesOf(ref)
    const start = placeOf(ref) + entryHeaderSize
    const end = start + this.#arena.keyLengthOf(ref)
    const part = this.#parts[hash >>> partShift]
    if (part === undefined) return 0
    const at = this.#locate(part.slots, hash, bytes, start, end)
    const previous = part.slots[at + 1]!
    if (previous === 0) return 0
    closeGap(part.slots, at)
    part.count--
    this.#size--
    return previous
  }

  /** Place of the pair that holds the key, or of the empty one where it would go. */
  #locate(slots: Int32Array, hash: number, bytes: Uint8Array, start: number, end: number): number {
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const ref = slots[at + 1]!
      if (ref === 0 || (slots[at] === hash && this.#isKey(ref, bytes, start, end))) return at
    }
  }

  #isKey(ref: number, bytes: Uint8Array, start: number, end: number): boolean {
    const arena = this.#arena
    const length = end - start
    if (arena.keyLengthOf(ref) !== length) return false
    const found = arena.bytesOf(ref)
    const at = placeOf(ref) + entryHeaderSize
    for (let index = 0; index < length; index++) {
      if (found[at + index] !== bytes[start + index]) return false
    }
    return true
  }

  #isText(ref: number, key: string): boolean {
    const arena = this.#arena
    if (arena.keyLengthOf(ref) !== key.length) return false
    const found = arena.bytesOf(ref)
    const at = placeOf(ref) + entryHeaderSize
    for (let index = 0; index < key.length; index++) {
      if (found[at + index] !== key.charCodeAt(index)) return false
    }
    return true
  }

  /** Hash of the text's UTF-8 into `#hash`; false when the text is not ASCII. */
  #hashText(key: string): boolean {
    const { length } = key
    const whole = length & ~3
    let hash = this.#seed
    let units = 0
    for (let at = 0; at < whole; at += 4) {
      const a = key.charCodeAt(at)
      const b = key.charCodeAt(at + 1)
      const c = key.charCodeAt(at + 2)
      const d = key.charCodeAt(at + 3)
      units |= a | b | c | d
      hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24))
    }
    let rest = 0
    for (let at = length - 1; at >= whole; at--) {
      const unit = key.charCodeAt(at)
      units |= unit
      rest = (rest << 8) | unit
    }
    this.#hash = finish(hash, rest, length)
    return units <= 0x7f
  }

  #newPart(): Part {
    this.#pairs += firstPairs
    return { slots: new Int32Array(firstPairs * 2), count: 0 }
  }

  #grow(part: Part): void {
    const old = part.slots
    const slots = new Int32Array(old.length * 2)
    const mask = slots.length - 1
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue
      let at = (old[from]! << 1) & mask
      while (slots[at + 1] !== 0) at = (at + 2) & mask
      slots[at] = old[from]!
      slots[at + 1] = old[from + 1]!
    }
    this.#pairs += old.length / 2
    part.slots = slots
  }
}

/** Empties the pair at `gap` and moves up those behind it that would not be found any more. */
function closeGap(slots: Int32Array, gap: number): void {
  const mask = slots.length - 1
  for (let at = (gap + 2) & mask; slots[at + 1] !== 0; at = (at + 2) & mask) {
    const home = (slots[at]! << 1) & mask
    if (((at - home) & mask) < ((at - gap) & mask)) continue
    slots[gap] = slots[at]!
    slots[gap + 1] = slots[at + 1]!
    gap = at
  }
  slots[gap] = 0
  slots[gap + 1] = 0
}

function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const whole = start + ((end - start) & ~3)
  let hash = seed
  for (let at = start; at < whole; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = mix(hash, word)
  }
  let rest = 0
  for (let at = end - 1; at >= whole; at--) rest = (rest << 8) | bytes[at]!
  return finish(hash, rest, end - start)
}

function mix(hash: number, word: number): number {
  const mixed = hash ^ scramble(word)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}

function finish(hash: number, rest: number, length: number): number {
  let mixed = hash ^ scramble(rest) ^ length
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
