/**
 * Finding records in the segments of one log: by offset, by timestamp, and as file regions for a
 * socket. Pure reading: nothing here changes the log.
 */
import type { Steps } from '../base/steps.ts'
import type { Offset } from '../base/types.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import { leaderEpochAt } from '../record/batch-format.ts'
import { BatchView } from '../record/batch-view.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import type { BatchPlace, Segment } from '../segment/segment.ts'
import type { SegmentList } from '../segment/segment-list.ts'

/** A record found by time. */
export type TimedOffset = {
  readonly offset: Offset
  readonly timestamp: number
  /** Leader epoch of its batch, −1 unknown. */
  readonly leaderEpoch: number
}

/** Whole batches of one segment, as a file region. */
export type LogSlice = FileSlice & {
  /** Base offset of the first batch; it may be below the offset asked for. */
  readonly baseOffset: Offset
  /** Size of the first batch in bytes. */
  readonly firstBatchBytes: number
}

/**
 * The segment and place of the first batch whose last offset is `offset` or above. Gaps (after
 * compaction) are skipped, also over segment borders. Undefined at the end of the log.
 */
export function locateBatch(
  segments: SegmentList,
  offset: Offset,
): { segment: Segment; place: BatchPlace } | undefined {
  let segment: Segment | undefined = segments.floor(offset) ?? segments.first
  while (segment !== undefined) {
    const place = segment.locate(offset)
    if (place !== undefined) return { segment, place }
    const next = segments.after(segment)
    if (next !== undefined && segment.isDense && next.baseOffset > offset) {
      const reason = `the segment ends before offset ${offset}, and the next begins at ${next.baseOffset}`
      throw segment.corruption(segment.sizeBytes, reason)
    }
    segment = next
  }
  return undefined
}

/**
 * The region of one segment that begins with the batch holding `from` and ends on a batch border
 * at or below `upTo`, of at most `maxBytes` bytes.
 *
 * @param minOneBatch the first batch is returned whole even when it is larger than `maxBytes`.
 * @returns undefined when there is nothing below `upTo`, or the first batch does not fit.
 */
export function sliceOf(
  segments: SegmentList,
  from: Offset,
  maxBytes: number,
  options: { upTo: Offset; minOneBatch: boolean },
): LogSlice | undefined {
  const found = from < options.upTo ? locateBatch(segments, from) : undefined
  if (found === undefined || found.place.lastOffset >= options.upTo) return undefined
  const { segment, place } = found
  const length = bytesFrom(segments, segment, place, { maxBytes, upTo: options.upTo })
  if (length === 0 && !options.minOneBatch) return undefined
  const slice = segment.slice(place.position, length === 0 ? place.sizeBytes : length)
  return Object.assign(slice, {
    baseOffset: place.baseOffset,
    firstBatchBytes: place.sizeBytes,
  })
}

/** Of `sliceOf`: what it would wait for; see `Segment.coldPart`. */
export function coldPartOf(segments: SegmentList, from: Offset): FileSlice | undefined {
  return (segments.floor(from) ?? segments.first).coldPart(from)
}

/** Bytes of whole batches of `segment` from `place`, itself below `upTo`, on; 0 when it is too long. */
export function bytesFrom(
  segments: SegmentList,
  segment: Segment,
  place: BatchPlace,
  { maxBytes, upTo }: { readonly maxBytes: number; readonly upTo: Offset },
): number {
  const limit = endOf(segments, segment, upTo)
  return wholeBatchBytes(segment, place, Math.min(limit - place.position, maxBytes), limit)
}

/** Bytes between the batch that holds `from` and `upTo`, over all segments. */
export function bytesBetween(segments: SegmentList, from: Offset, upTo: Offset): number {
  const found = from < upTo ? locateBatch(segments, from) : undefined
  if (found === undefined) return 0
  let bytes = endOf(segments, found.segment, upTo) - found.place.position
  let segment = segments.after(found.segment)
  while (segment !== undefined && segment.baseOffset < upTo) {
    bytes += endOf(segments, segment, upTo)
    segment = segments.after(segment)
  }
  return bytes
}

/**
 * What indexes tell, without a look at batches, of the way from `from` to the end: its bytes, too many
 * by an index interval and a batch at most, and a time that records shortly before `from` had.
 */
export function indexedDistance(
  segments: SegmentList,
  from: Offset,
): { readonly bytes: number; readonly timestamp: number } {
  const first = segments.floor(from) ?? segments.first
  let bytes = first.sizeBytes - first.indexedPosition(from)
  for (let next = segments.after(first); next !== undefined; next = segments.after(next)) {
    bytes += next.sizeBytes
  }
  return { bytes, timestamp: first.indexedTimestamp(from) }
}

/** Position in `segment` at which the batches below `upTo` end. */
function endOf(segments: SegmentList, segment: Segment, upTo: Offset): number {
  const next = segments.after(segment)
  if (next !== undefined && next.baseOffset <= upTo) return segment.sizeBytes
  return segment.locate(upTo)?.position ?? segment.sizeBytes
}

/** The largest run of whole batches from `place` on within `maxBytes`; 0 when none fits. */
function wholeBatchBytes(
  segment: Segment,
  place: BatchPlace,
  maxBytes: number,
  limit: number,
): number {
  const wanted = place.position + maxBytes
  if (wanted >= limit) return limit - place.position
  if (place.sizeBytes > maxBytes) return 0
  // The index knows a border within one interval of any position: cheaper than walking headers.
  const border = segment.borderAtOrBelow(wanted)
  let end = place.position + place.sizeBytes
  if (border >= end) return border - place.position
  const scanner = segment.scan('headers', end, limit)
  while (scanner.next() === 'batch' && end + scanner.view.sizeBytes <= wanted) {
    end += scanner.view.sizeBytes
  }
  return end - place.position
}

/**
 * The first record at or after offset `from` with a timestamp of `timestamp` or later. Looks at an index of
 * every segment up to it, which may have to be read, and yields after each; when segments were removed
 * or cut meanwhile, it has to begin again.
 */
export function* findByTimestamp(
  segments: SegmentList,
  timestamp: number,
  from: Offset,
): Steps<TimedOffset | undefined> {
  let segment: Segment | undefined = segments.floor(from) ?? segments.first
  while (segment !== undefined) {
    if (segment.maxTimestamp >= timestamp) {
      const found = findIn(segment, timestamp, from)
      if (found !== undefined) return found
    }
    yield
    segment = segments.after(segment)
  }
  return undefined
}

function findIn(segment: Segment, timestamp: number, from: Offset): TimedOffset | undefined {
  let place = segment.locateTimestamp(timestamp, from)
  while (place !== undefined) {
    const found = searchBatch(segment, place, timestamp, from)
    if (found !== undefined) return found
    place = segment.locateTimestamp(timestamp, (place.lastOffset + 1) as Offset)
  }
  return undefined
}

/** The first record that has the largest timestamp of the log, if any has one; as `findByTimestamp`. */
export function* findMaxTimestamp(
  segments: SegmentList,
  from: Offset,
): Steps<TimedOffset | undefined> {
  let newest: Segment | undefined
  let next: Segment | undefined = segments.floor(from) ?? segments.first
  while (next !== undefined) {
    if (next.maxTimestamp > (newest?.maxTimestamp ?? -1)) newest = next
    yield
    next = segments.after(next)
  }
  if (newest === undefined) return undefined
  const place = newest.locate(newest.maxTimestampOffset)
  if (place === undefined) return undefined
  return searchBatch(newest, place, newest.maxTimestamp, from)
}

function searchBatch(
  segment: Segment,
  place: BatchPlace,
  timestamp: number,
  from: Offset,
): TimedOffset | undefined {
  const bytes = Buffer.allocUnsafeSlow(place.sizeBytes)
  segment.readInto(bytes, place.position)
  if (!new BatchView().at(bytes, 0).hasValidCrc()) {
    throw segment.corruption(place.position, 'checksum mismatch of a stored batch')
  }
  const cursor = new RecordCursor().open(bytes, 0)
  while (cursor.next()) {
    if (cursor.timestamp < timestamp || cursor.offset < from) continue
    return {
      offset: cursor.offset,
      timestamp: cursor.timestamp,
      leaderEpoch: bytes.readInt32BE(leaderEpochAt),
    }
  }
  return undefined
}
