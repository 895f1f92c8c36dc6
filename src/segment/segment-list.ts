/**
 * The segments of one log in offset order. Base offsets grow strictly; the last one is active.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/types.ts'
import type { Segment } from './segment.ts'

export class SegmentList {
  #segments: Segment[] = []

  get count(): number {
    return this.#segments.length
  }

  get first(): Segment {
    const first = this.#segments[0]
    assert(first !== undefined, 'a log has at least one segment')
    return first
  }

  get active(): Segment {
    const last = this.#segments[this.#segments.length - 1]
    assert(last !== undefined, 'a log has at least one segment')
    return last
  }

  [Symbol.iterator](): IterableIterator<Segment> {
    return this.#segments[Symbol.iterator]()
  }

  push(segment: Segment): void {
    assert(
      this.count === 0 || segment.baseOffset > this.active.baseOffset,
      'segments are added in offset order',
    )
    // Most logs have one segment, and an array that grows has room for many.
    if (this.count === 0) this.#segments = [segment]
    else this.#segments.push(segment)
  }

  /** The segment with the greatest base offset at or below `offset`, or undefined. O(log n). */
  floor(offset: Offset): Segment | undefined {
    return this.#segments[this.#countAtOrBelow(offset) - 1]
  }

  /** The segment after `segment`, or undefined when it is the last (or no longer here). */
  after(segment: Segment): Segment | undefined {
    return this.#segments[this.#countAtOrBelow(segment.baseOffset)]
  }

  /** Takes the last segment out and returns it. */
  pop(): Segment {
    const last = this.#segments.pop()
    assert(last !== undefined, 'a log has at least one segment')
    return last
  }

  /** Takes the first segment out and returns it. */
  shift(): Segment {
    const first = this.#segments.shift()
    assert(first !== undefined, 'a log has at least one segment')
    return first
  }

  #countAtOrBelow(offset: Offset): number {
    let low = 0
    let high = this.#segments.length // exclusive
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#segments[middle] as Segment).baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
