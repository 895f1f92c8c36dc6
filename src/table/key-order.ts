/**
 * The entries of a table in the order of their keys' bytes: references in blocks of up to 512,
 * which split when full. Insert, remove and seek are O(log n) comparisons; building it from n
 * unordered entries sorts them by four bytes of the key at a time.
 */
import { assert } from '../base/assert.ts'
import { type EntryArena, entryHeaderSize, placeOf } from './entry-arena.ts'

type Block = { readonly refs: Int32Array; count: number }

const blockCapacity = 512
/** How full blocks are at first: room for keys to come in between. */
const builtCount = 384
const insertionSortCount = 12
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
const [lowHalf, highHalf] = isLittleEndian ? [0, 1] : [1, 0]

export class KeyOrder {
  readonly #arena: EntryArena
  #blocks: Block[] = []
  #generation = 0

  /** Orders `refs`, whose keys differ. O(n log n). */
  constructor(arena: EntryArena, refs: Int32Array) {
    this.#arena = arena
    const sorted = sortByKey(arena, refs)
    for (let at = 0; at < sorted.length; at += builtCount) {
      const part = sorted.subarray(at, at + builtCount)
      const block = { refs: new Int32Array(blockCapacity), count: part.length }
      block.refs.set(part)
      this.#blocks.push(block)
    }
  }

  /** Grows when keys come or go: positions found before are void then. */
  get generation(): number {
    return this.#generation
  }

  /** Memory of the blocks. */
  get capacityBytes(): number {
    return this.#blocks.length * blockCapacity * 4
  }

  /** Adds an entry whose key is not there. */
  insert(ref: number): void {
    this.#generation++
    const position = this.#positionOf(ref)
    let { block, index } = position
    if (this.#blocks.length === 0) {
      this.#blocks.push({ refs: new Int32Array(blockCapacity), count: 0 })
    } else if (block === this.#blocks.length) {
      block--
      index = this.#blocks[block]!.count
    }
    if (this.#blocks[block]!.count === blockCapacity) {
      const half = this.#split(block, index)
      if (index > half) {
        block++
        index -= half
      }
    }
    const target = this.#blocks[block]!
    target.refs.copyWithin(index + 1, index, target.count)
    target.refs[index] = ref
    target.count++
  }

  /** Splits a full block and returns how many stay in it: nearly all when keys come in order. */
  #split(block: number, index: number): number {
    const full = this.#blocks[block]!
    const isAtEnd = block === this.#blocks.length - 1 && index === full.count
    const half = isAtEnd ? builtCount + 64 : blockCapacity / 2
    const upper = { refs: new Int32Array(blockCapacity), count: full.count - half }
    upper.refs.set(full.refs.subarray(half, full.count))
    full.count = half
    this.#blocks.splice(block + 1, 0, upper)
    return half
  }

  remove(ref: number): void {
    this.#generation++
    const { block, index } = this.#positionOf(ref)
    const found = this.#blocks[block]!
    assert(found.refs[index] === ref, 'the entry removed is in the order')
    found.refs.copyWithin(index, index + 1, found.count)
    found.count--
    if (found.count === 0) this.#blocks.splice(block, 1)
  }

  /** Puts `next` in the place of `previous`, which has the same key. */
  replace(previous: number, next: number): void {
    const { block, index } = this.#positionOf(previous)
    const found = this.#blocks[block]!
    assert(found.refs[index] === previous, 'the entry replaced is in the order')
    found.refs[index] = next
  }

  /** First position whose key is at or above `key`; with `isAfter`, above it. */
  seek(key: Uint8Array, isAfter: boolean): KeyPosition {
    return this.#seek(key, 0, key.length, isAfter)
  }

  start(): KeyPosition {
    return { block: 0, index: 0 }
  }

  end(): KeyPosition {
    return { block: this.#blocks.length, index: 0 }
  }

  /** Entry at a position, or 0 at the end. */
  at(position: KeyPosition): number {
    const block = this.#blocks[position.block]
    return block === undefined ? 0 : block.refs[position.index]!
  }

  /** Moves a position one entry on. */
  advance(position: KeyPosition): void {
    if (++position.index < this.#blocks[position.block]!.count) return
    position.block++
    position.index = 0
  }

  /** Moves a position one entry back; false at the start. */
  retreat(position: KeyPosition): boolean {
    if (position.index > 0) {
      position.index--
      return true
    }
    if (position.block === 0) return false
    position.block--
    position.index = this.#blocks[position.block]!.count - 1
    return true
  }

  #positionOf(ref: number): KeyPosition {
    const start = placeOf(ref) + entryHeaderSize
    const end = start + this.#arena.keyLengthOf(ref)
    return this.#seek(this.#arena.bytesOf(ref), start, end, false)
  }

  #seek(bytes: Uint8Array, start: number, end: number, isAfter: boolean): KeyPosition {
    const wanted = isAfter ? 1 : 0
    // The first block whose last key is not below what is sought, then the place in it.
    let low = 0
    let high = this.#blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { refs, count } = this.#blocks[middle]!
      if (this.#compare(refs[count - 1]!, bytes, start, end) < wanted) low = middle + 1
      else high = middle
    }
    const block = low
    if (block === this.#blocks.length) return { block, index: 0 }
    const { refs, count } = this.#blocks[block]!
    low = 0
    high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(refs[middle]!, bytes, start, end) < wanted) low = middle + 1
      else high = middle
    }
    return { block, index: low }
  }

  #compare(ref: number, bytes: Uint8Array, start: number, end: number): number {
    const at = placeOf(ref) + entryHeaderSize
    const length = this.#arena.keyLengthOf(ref)
    return compareBytes(this.#arena.bytesOf(ref), at, at + length, bytes, start, end)
  }
}

export type KeyPosition = { block: number; index: number }

/** −1, 0 or 1, by unsigned bytes; a prefix comes first. */
export function compareBytes(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): number {
  const length = Math.min(leftEnd - leftStart, rightEnd - rightStart)
  for (let index = 0; index < length; index++) {
    const difference = left[leftStart + index]! - right[rightStart + index]!
    if (difference !== 0) return difference < 0 ? -1 : 1
  }
  return Math.sign(leftEnd - leftStart - (rightEnd - rightStart))
}

/**
 * Sorts by key: pairs of (next four bytes, reference) as 64-bit numbers, which the runtime sorts
 * without calling back; then each run of equal bytes by the four after them.
 */
function sortByKey(arena: EntryArena, refs: Int32Array): Int32Array {
  const pairs = new Uint32Array(refs.length * 2)
  for (let index = 0; index < refs.length; index++) pairs[index * 2 + lowHalf] = refs[index]!
  const numbers = new BigUint64Array(pairs.buffer)
  const work = [{ start: 0, end: refs.length, depth: 0 }]
  for (let run = work.pop(); run !== undefined; run = work.pop()) {
    const { start, end, depth } = run
    if (end - start <= insertionSortCount) {
      insertionSort(arena, pairs, start, end)
      continue
    }
    const isVaried = loadWords(arena, pairs, start, end, depth)
    if (isVaried) numbers.subarray(start, end).sort()
    let first = start
    for (let index = start + 1; index <= end; index++) {
      const isSame = index < end && pairs[index * 2 + highHalf] === pairs[first * 2 + highHalf]
      if (isSame) continue
      if (index - first > 1) sortEnded(arena, pairs, first, index, depth + 4, work)
      first = index
    }
  }
  const sorted = new Int32Array(refs.length)
  for (let index = 0; index < refs.length; index++) sorted[index] = pairs[index * 2 + lowHalf]!
  return sorted
}

/** Puts the four bytes from `depth` on beside each reference; false when all are equal. */
function loadWords(
  arena: EntryArena,
  pairs: Uint32Array,
  start: number,
  end: number,
  depth: number,
): boolean {
  let isVaried = false
  for (let index = start; index < end; index++) {
    const ref = pairs[index * 2 + lowHalf]!
    const bytes = arena.bytesOf(ref)
    const rest = arena.keyLengthOf(ref) - depth
    const at = placeOf(ref) + entryHeaderSize + depth
    let word = 0
    if (rest > 0) word = bytes[at]! << 24
    if (rest > 1) word |= bytes[at + 1]! << 16
    if (rest > 2) word |= bytes[at + 2]! << 8
    if (rest > 3) word |= bytes[at + 3]!
    pairs[index * 2 + highHalf] = word
    if (pairs[index * 2 + highHalf] !== pairs[start * 2 + highHalf]) isVaried = true
  }
  return isVaried
}

/**
 * A run whose keys agree in their first `depth` bytes, the missing ones counted as zeros: keys that
 * end there come first, by length; the others are left to sort.
 */
function sortEnded(
  arena: EntryArena,
  pairs: Uint32Array,
  start: number,
  end: number,
  depth: number,
  work: { start: number; end: number; depth: number }[],
): void {
  let ended = start
  for (let index = start; index < end; index++) {
    if (arena.keyLengthOf(pairs[index * 2 + lowHalf]!) > depth) continue
    const ref = pairs[index * 2 + lowHalf]!
    pairs[index * 2 + lowHalf] = pairs[ended * 2 + lowHalf]!
    pairs[ended * 2 + lowHalf] = ref
    ended++
  }
  insertionSort(arena, pairs, start, ended)
  if (end - ended > 1) work.push({ start: ended, end, depth })
}

function insertionSort(arena: EntryArena, pairs: Uint32Array, start: number, end: number): void {
  for (let index = start + 1; index < end; index++) {
    const ref = pairs[index * 2 + lowHalf]!
    let at = index
    while (at > start && compareKeys(arena, pairs[(at - 1) * 2 + lowHalf]!, ref) > 0) {
      pairs[at * 2 + lowHalf] = pairs[(at - 1) * 2 + lowHalf]!
      at--
    }
    pairs[at * 2 + lowHalf] = ref
  }
}

function compareKeys(arena: EntryArena, left: number, right: number): number {
  const leftStart = placeOf(left) + entryHeaderSize
  const rightStart = placeOf(right) + entryHeaderSize
  return compareBytes(
    arena.bytesOf(left),
    leftStart,
    leftStart + arena.keyLengthOf(left),
    arena.bytesOf(right),
    rightStart,
    rightStart + arena.keyLengthOf(right),
  )
}
