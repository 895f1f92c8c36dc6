/** What those who read a log see of it. */
import { OffsetOutOfRangeError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import type { SegmentList } from '../segment/segment-list.ts'
import type { LogOffsets } from './log-offsets.ts'

export interface LogSource {
  readonly name: string
  readonly segments: SegmentList
  readonly offsets: LogOffsets
  /** Grows with every truncation and trim: places found before it may be gone. */
  readonly generation: number
  /** No offset is missing between the log's start and its end. */
  readonly isDense: boolean
  /** @throws ClosedError. */
  assertReadable(): void
}

/** @throws OffsetOutOfRangeError `offset` is outside `[logStart, logEnd]`. */
export function assertInRange(source: LogSource, offset: number): asserts offset is Offset {
  const { logStart, logEnd } = source.offsets
  if (offset < logStart || offset > logEnd) throw outOfRange(source, offset)
}

/** The error for an `offset` that is gone, or not there yet: it names where the log begins and ends now. */
export function outOfRange({ name, offsets }: LogSource, offset: number): OffsetOutOfRangeError {
  const { logStart: logStartOffset, logEnd: logEndOffset } = offsets
  return new OffsetOutOfRangeError({ log: name, offset, logStartOffset, logEndOffset })
}
