/**
 * Reads of one log as its users ask for them: from where, how far, whether they wait for more, and what
 * a search does when the log changes under it.
 */
import { ClosedError } from '../base/errors.ts'
import { integerOption, knownOptions, signalOption } from '../base/option-fields.ts'
import type { Steps } from '../base/steps.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import { LogCursor } from './log-cursor.ts'
import { type FollowOptions, levelOption, type ReadFrom, type ReadOptions } from './log-options.ts'
import type { TimedOffset } from './log-search.ts'
import { assertInRange, type LogSource } from './log-source.ts'
import { type RecordStream, recordStream } from './record-stream.ts'

export interface ReadableLog extends LogSource {
  /** Largest uncompressed batch that a reader takes. */
  readonly maxDecompressedBytes: number
}

/** See `Log.cursor`. */
export function openCursor(
  log: ReadableLog,
  options: { readonly from?: ReadFrom; readonly verify?: boolean },
): LogCursor {
  log.assertReadable()
  const { maxDecompressedBytes } = log
  const from = fromOption(log, options.from === undefined ? 'start' : options.from)
  return new LogCursor(log, from, { verify: options.verify ?? true, maxDecompressedBytes })
}

/** Where a read begins: `end` is where what is committed ends. @throws InvalidOptionError, OffsetOutOfRangeError. */
export function fromOption(log: LogSource, from: ReadFrom): Offset {
  if (from === 'start') return log.offsets.logStart
  if (from === 'end') return log.offsets.highWatermark
  const offset = integerOption('from', from, { default: 0, min: 0 })
  assertInRange(log, offset)
  return offset
}

/** See `Log.read`. */
export function readRecords(log: ReadableLog, options: ReadOptions): RecordStream {
  knownOptions('read', options, ['from', 'to', 'verify', 'level', 'signal'])
  const cursor = openCursor(log, options)
  const end = visibleEnd(log, readLevelOption(options.level))
  const to = integerOption('read.to', options.to, { default: end, min: 0 })
  const upTo = Math.min(to, end) as Offset
  return recordStream({
    cursor,
    signal: signalOption(options.signal),
    upTo: () => upTo,
    more: () => Promise.resolve(false),
  })
}

/** See `Log.follow`. */
export function followRecords(log: ReadableLog, options: FollowOptions): RecordStream {
  knownOptions('follow', options, ['from', 'verify', 'level', 'signal'])
  const signal = signalOption(options.signal)
  const level = readLevelOption(options.level)
  const from = options.from === undefined ? 'end' : options.from
  const cursor = openCursor(log, { ...options, from })
  const more = async (): Promise<boolean> => {
    try {
      log.assertReadable()
      const { nextOffset } = cursor
      assertInRange(log, nextOffset)
      const next = nextOffset + 1
      if (level === 'disk') await log.offsets.reached('disk', next, signal, nextOffset)
      await log.offsets.reached('highWatermark', next, signal, nextOffset)
      return true
    } catch (error) {
      if (signal?.aborted === true || error instanceof ClosedError) return false
      throw error
    }
  }
  return recordStream({
    cursor,
    signal,
    upTo: () => visibleEnd(log, level),
    more,
    endsOnClose: true,
  })
}

function readLevelOption(level: DurabilityLevel | undefined): DurabilityLevel {
  return levelOption(level, 'os')
}

function visibleEnd({ offsets }: ReadableLog, level: DurabilityLevel): Offset {
  const { highWatermark, disk } = offsets
  return level === 'disk' && disk < highWatermark ? disk : highWatermark
}

/**
 * A search in steps, each of which looks at one segment. It begins anew when the log was trimmed or
 * truncated between two, and finds only what is committed at its end.
 *
 * @throws ClosedError, OffsetOutOfRangeError, CorruptionError, StorageError.
 */
export function* searchInSteps(
  log: ReadableLog,
  begin: () => Steps<TimedOffset | undefined>,
): Steps<TimedOffset | undefined> {
  log.assertReadable()
  for (;;) {
    const { generation } = log
    const search = begin()
    do {
      const step = search.next()
      if (step.done === true) return ifCommitted(log, step.value)
      yield
      log.assertReadable()
    } while (generation === log.generation)
  }
}

function ifCommitted(
  { offsets }: ReadableLog,
  found: TimedOffset | undefined,
): TimedOffset | undefined {
  return found !== undefined && found.offset < offsets.highWatermark ? found : undefined
}
