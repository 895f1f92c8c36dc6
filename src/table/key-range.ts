/** Which keys a range or a watcher covers, as bytes. */
import { InvalidOptionError } from '../base/errors.ts'
import { booleanOption, integerOption, knownOptions } from '../base/option-fields.ts'
import { compareBytes } from './key-order.ts'
import type { Transcoder } from './table-codec.ts'

export type KeyBounds<Key> = {
  /** Least key, inclusive. */
  readonly gte?: Key
  /** Least key, exclusive. */
  readonly gt?: Key
  /** Greatest key, inclusive. */
  readonly lte?: Key
  /** Greatest key, exclusive. */
  readonly lt?: Key
  /** Keys that begin with these bytes; text stands for its UTF-8. */
  readonly prefix?: string | Uint8Array
}

export type RangeOptions<Key> = KeyBounds<Key> & {
  /** From the greatest key down. Default false. */
  readonly reverse?: boolean
  /** Entries at most. Default: all. */
  readonly limit?: number
}

/** One end: `isAfter` places it behind the key. Undefined is open. */
export type Bound = { readonly key: Buffer; readonly isAfter: boolean }

export type KeyRange = { readonly low: Bound | undefined; readonly high: Bound | undefined }

const boundNames = ['gte', 'gt', 'lte', 'lt', 'prefix'] as const

export function checkRange<Key>(
  options: RangeOptions<Key>,
  codec: Transcoder<Key>,
): { range: KeyRange; isReverse: boolean; limit: number } {
  knownOptions('range', options, [...boundNames, 'reverse', 'limit'])
  return {
    range: rangeOf(options, codec),
    isReverse: booleanOption('reverse', options.reverse, { default: false }),
    limit: integerOption('limit', options.limit, { default: Number.MAX_SAFE_INTEGER, min: 0 }),
  }
}

/** The range of `bounds`; of several bounds on one side the narrowest counts. */
export function rangeOf<Key>(bounds: KeyBounds<Key>, codec: Transcoder<Key>): KeyRange {
  const bound = (name: 'gte' | 'gt' | 'lte' | 'lt', isAfter: boolean): Bound | undefined => {
    const key = bounds[name]
    return key === undefined ? undefined : { key: bytesOf(codec.prepare(key, name)), isAfter }
  }
  let low = higher(bound('gte', false), bound('gt', true))
  let high = lower(bound('lt', false), bound('lte', true))
  if (bounds.prefix !== undefined) {
    const prefix = prefixBytes(bounds.prefix)
    low = higher(low, { key: prefix, isAfter: false })
    high = lower(high, endOfPrefix(prefix))
  }
  return { low, high }
}

/** Whether the key `bytes[start, end)` lies in the range. */
export function isInRange(range: KeyRange, bytes: Buffer, start: number, end: number): boolean {
  const { low, high } = range
  return (
    (low === undefined || isBehind(low, bytes, start, end)) &&
    (high === undefined || !isBehind(high, bytes, start, end))
  )
}

function isBehind(bound: Bound, bytes: Buffer, start: number, end: number): boolean {
  const order = compareBytes(bytes, start, end, bound.key, 0, bound.key.length)
  return bound.isAfter ? order > 0 : order >= 0
}

function higher(left: Bound | undefined, right: Bound | undefined): Bound | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return isAbove(left, right) ? left : right
}

function lower(left: Bound | undefined, right: Bound | undefined): Bound | undefined {
  if (left === undefined || right === undefined) return left ?? right
  return isAbove(left, right) ? right : left
}

function isAbove(left: Bound, right: Bound): boolean {
  const order = Buffer.compare(left.key, right.key)
  return order > 0 || (order === 0 && left.isAfter)
}

function bytesOf(prepared: Uint8Array | string): Buffer {
  // A copy: the caller's bytes may change while a watcher holds the bound.
  return typeof prepared === 'string' ? Buffer.from(prepared) : Buffer.from(prepared)
}

function prefixBytes(prefix: unknown): Buffer {
  if (typeof prefix === 'string') return Buffer.from(prefix)
  if (prefix instanceof Uint8Array) return Buffer.from(prefix)
  const expected = 'a string or a Uint8Array'
  throw new InvalidOptionError({ option: 'prefix', value: prefix, expected })
}

/** The least key above all that begin with `prefix`; undefined when there is none. */
function endOfPrefix(prefix: Buffer): Bound | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const key = Buffer.from(prefix.subarray(0, length))
  key[length - 1]! += 1
  return { key, isAfter: false }
}
