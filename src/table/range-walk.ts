/** Walks the entries of a table in the order of their keys, in either direction. */
import type { EntryArena } from './entry-arena.ts'
import { entryHeaderSize, placeOf } from './entry-arena.ts'
import type { KeyOrder, KeyPosition } from './key-order.ts'
import { isInRange, type KeyRange } from './key-range.ts'

export type RangeWalkOptions<Item> = {
  readonly arena: EntryArena
  readonly order: KeyOrder
  readonly range: KeyRange
  readonly isReverse: boolean
  readonly limit: number
  /** What is handed out for an entry. */
  readonly read: (ref: number) => Item
}

/** Every entry is read when it is reached; after a change the walk goes on from its last key. */
export class RangeWalk<Item> implements IterableIterator<Item> {
  readonly #options: RangeWalkOptions<Item>
  #position: KeyPosition
  #generation: number
  #left: number
  /** Bytes of the last key and its bounds. They are not changed while they are held. */
  #lastBytes: Buffer | undefined
  #lastStart = 0
  #lastEnd = 0

  constructor(options: RangeWalkOptions<Item>) {
    this.#options = options
    this.#left = options.limit
    this.#generation = options.order.generation
    this.#position = this.#begin()
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<Item, undefined> {
    if (this.#left === 0) return this.return()
    const { order, arena, range, isReverse, read } = this.#options
    if (this.#generation !== order.generation) this.#findAgain()
    if (isReverse && !order.retreat(this.#position)) return this.return()
    const ref = order.at(this.#position)
    if (ref === 0) return this.return()
    const bytes = arena.bytesOf(ref)
    const start = placeOf(ref) + entryHeaderSize
    const end = start + arena.keyLengthOf(ref)
    if (!isInRange(range, bytes, start, end)) return this.return()
    this.#lastBytes = bytes
    this.#lastStart = start
    this.#lastEnd = end
    if (!isReverse) order.advance(this.#position)
    this.#left--
    return { done: false, value: read(ref) }
  }

  return(): IteratorResult<Item, undefined> {
    this.#left = 0
    this.#lastBytes = undefined
    return { done: true, value: undefined }
  }

  /** Forward: the first entry. Reverse: one behind it. */
  #begin(): KeyPosition {
    const { order, range, isReverse } = this.#options
    const bound = isReverse ? range.high : range.low
    if (bound === undefined) return isReverse ? order.end() : order.start()
    return order.seek(bound.key, bound.isAfter)
  }

  #findAgain(): void {
    const { order, isReverse } = this.#options
    this.#generation = order.generation
    const last = this.#lastBytes?.subarray(this.#lastStart, this.#lastEnd)
    this.#position = last === undefined ? this.#begin() : order.seek(last, !isReverse)
  }
}
