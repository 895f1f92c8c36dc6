/**
 * Batches as they stand in a log, for those who store or send them as they are: by offset, or by
 * place, which costs no search when one range follows the other.
 */
import { type CorruptionError, InvalidOptionError } from '../base/errors.ts'
import { booleanOption, integerOption, knownOptions } from '../base/option-fields.ts'
import type { FilePosition, Offset } from '../base/types.ts'
import { mebibyte } from '../base/units.ts'
import { BatchView, measureBatch } from '../record/batch-view.ts'
import type { BatchPlace, Segment } from '../segment/segment.ts'
import { bytesFrom, locateBatch } from './log-search.ts'
import { assertInRange, type LogSource, outOfRange } from './log-source.ts'

export type RawReadBounds = {
  /** Most bytes wanted, but one batch is returned whole whatever its size. Default 1,048,576. */
  readonly maxBytes?: number
  /**
   * Only batches that end below this offset. Default: the log end, which may lie above the high
   * watermark: replicas read what is not committed yet.
   */
  readonly upTo?: number
  /** Check the CRC of every batch. Default true. */
  readonly verify?: boolean
}

export type RawReadOptions = RawReadBounds & {
  /** Offset in the first batch wanted, which may begin below it. */
  readonly from: number
}

export type RawReadAtOptions = RawReadBounds & {
  /** Base offset of the segment. */
  readonly segment: number
  /** Where in its file the first batch wanted begins, or the end of the file: then of the next one. */
  readonly position: number
}

/** Whole batches of one segment. `position + bytes.length` is where the next range begins. */
export type RawBatches = {
  /** A copy, the caller's to keep. */
  readonly bytes: Buffer
  /** Offset of the first record. */
  readonly baseOffset: Offset
  /** Offset after the last record. */
  readonly nextOffset: Offset
  /** Base offset of the segment they stand in. */
  readonly segment: Offset
  /** Where in its file they begin. */
  readonly position: FilePosition
}

export function readRaw(source: LogSource, options: RawReadOptions): RawBatches | undefined {
  knownOptions('readRaw', options, ['from', 'maxBytes', 'upTo', 'verify'])
  const from = required('from', options.from)
  assertInRange(source, from)
  const found = from < source.offsets.logEnd ? locateBatch(source.segments, from) : undefined
  return found === undefined ? undefined : read(source, found.segment, found.place, options)
}

export function readRawAt(source: LogSource, options: RawReadAtOptions): RawBatches | undefined {
  knownOptions('readRawAt', options, ['segment', 'position', 'maxBytes', 'upTo', 'verify'])
  const { segments, offsets } = source
  const base = required('segment', options.segment)
  const position = required('position', options.position)
  if (base < segments.first.baseOffset || base > offsets.logEnd) throw outOfRange(source, base)
  const segment = segments.floor(base)
  if (segment?.baseOffset !== base) {
    const expected = `the base offset of a segment, such as ${segment?.baseOffset}`
    throw new InvalidOptionError({ option: 'segment', value: base, expected })
  }
  const found = position === segment.sizeBytes ? startAfter(source, segment) : { segment, position }
  if (found === undefined) return undefined
  const place = found.segment.batchAt(found.position)
  if (place === undefined) {
    const expected = `where a batch begins, at most ${segment.sizeBytes}`
    throw new InvalidOptionError({ option: 'position', value: position, expected })
  }
  if (place.lastOffset < offsets.logStart) throw outOfRange(source, place.baseOffset)
  return read(source, found.segment, place, options)
}

/** The first place behind `segment` that has a batch. */
function startAfter(
  { segments }: LogSource,
  segment: Segment,
): { segment: Segment; position: number } | undefined {
  let next = segments.after(segment)
  while (next?.sizeBytes === 0) next = segments.after(next)
  return next === undefined ? undefined : { segment: next, position: 0 }
}

function read(
  source: LogSource,
  segment: Segment,
  place: BatchPlace,
  bounds: RawReadBounds,
): RawBatches | undefined {
  const maxBytes = integerOption('maxBytes', bounds.maxBytes, { default: mebibyte, min: 1 })
  const { logEnd } = source.offsets
  const upTo = Math.min(integerOption('upTo', bounds.upTo, { default: logEnd, min: 0 }), logEnd)
  const verify = booleanOption('verify', bounds.verify, { default: true })
  if (place.lastOffset >= upTo) return undefined
  const length = bytesFrom(source.segments, segment, place, { maxBytes, upTo: upTo as Offset })
  const bytes = Buffer.allocUnsafeSlow(length === 0 ? place.sizeBytes : length)
  segment.readInto(bytes, place.position)
  const nextOffset = endOfBatches(source, segment, { bytes, place, verify })
  const { baseOffset, position } = place
  return { bytes, baseOffset, nextOffset, segment: segment.baseOffset, position }
}

/** Walks the batches in `bytes`. @returns the offset after them. */
function endOfBatches(
  source: LogSource,
  segment: Segment,
  { bytes, place, verify }: { bytes: Buffer; place: BatchPlace; verify: boolean },
): Offset {
  const view = new BatchView()
  let nextOffset = place.baseOffset
  for (let at = 0; at < bytes.length; at += view.sizeBytes) {
    const corruption = (reason: string): CorruptionError =>
      segment.corruption(place.position + at, reason)
    if (measureBatch(bytes, at, bytes.length) <= 0) throw corruption('found an impossible header')
    view.at(bytes, at)
    if (verify && !view.hasValidCrc()) throw corruption('checksum mismatch of a stored batch')
    const { baseOffset } = view
    if (source.isDense ? baseOffset !== nextOffset : baseOffset < nextOffset) {
      throw corruption(`found offset ${baseOffset} where ${nextOffset} was expected`)
    }
    nextOffset = view.nextOffset
  }
  return nextOffset
}

function required(option: string, value: number): Offset {
  return integerOption(option, value, { default: Number.NaN, min: 0 }) as Offset
}
