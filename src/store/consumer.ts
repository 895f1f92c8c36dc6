/**
 * A named consumer of one log: reads from where it committed, also after a restart.
 *
 *     const consumer = await store.consumer('billing', log)
 *     for await (const record of consumer) {
 *       …
 *       await consumer.commit()           // this record and all before it are done
 *     }
 *
 * What is committed belongs to the name, and all handles of a name share it; where a handle reads is
 * its own. A commit does not go back below what is committed, unless its handle sought back: of two
 * handles the one that is behind cannot undo the other's work.
 */
import { ClosedError, OffsetOutOfRangeError, StaleCommitError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { onAbort } from '../base/on-abort.ts'
import { integerOption, knownOptions, oneOfOption, signalOption } from '../base/option-fields.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import type { Log } from '../log/log.ts'
import type { ReadFrom } from '../log/log-options.ts'
import { fromOption } from '../log/log-reads.ts'
import { assertInRange } from '../log/log-source.ts'
import type { RecordStream } from '../log/record-stream.ts'
import type { LogRecord } from '../record/record.ts'
import {
  type ConsumerLag,
  lagOf,
  type PositionEntry,
  type PositionTable,
  positionKey,
  positionOf,
  validOffset,
} from './consumer-position.ts'

export type ConsumerOptions = {
  /** Where to begin when nothing is committed. Default `start`. */
  readonly from?: ReadFrom
  /** What to do when the position was trimmed away: reject, or go on at the log start. */
  readonly onOutOfRange?: 'error' | 'start'
  /** See nothing that has not reached this level. Default `os`. */
  readonly level?: DurabilityLevel
  /** Check the CRC of every batch read. Default true. */
  readonly verify?: boolean
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal
}

/** A commit that is encoded but not made: to be made together with other changes. */
export type EncodedCommit = {
  readonly table: PositionTable
  readonly key: string
  readonly value: PositionEntry
}

export type ConsumerParts = {
  readonly name: string
  readonly log: Log
  readonly topicId: string
  readonly table: PositionTable
  readonly logger: Logger
  /** Level a commit waits for unless it says otherwise. */
  readonly level: () => DurabilityLevel
  readonly onClose: (consumer: Consumer) => void
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined }

export class Consumer implements AsyncIterable<LogRecord> {
  readonly name: string
  readonly log: Log
  readonly #parts: ConsumerParts
  readonly #key: string
  readonly #options: ConsumerOptions
  /** Where it began. */
  readonly #origin: Offset
  #position: Offset
  #stream: RecordStream | undefined
  #stop = new AbortController()
  #mayGoBack = false
  #isClosed = false

  /** Made by `store.consumer`. @throws InvalidOptionError, OffsetOutOfRangeError. @internal */
  constructor(parts: ConsumerParts, options: ConsumerOptions) {
    knownOptions('consumer', options, ['from', 'onOutOfRange', 'level', 'verify', 'signal'])
    oneOfOption('onOutOfRange', options.onOutOfRange, {
      default: 'error',
      choices: ['error', 'start'],
    })
    const signal = signalOption(options.signal)
    this.name = parts.name
    this.log = parts.log
    this.#parts = parts
    this.#options = options
    this.#key = positionKey(parts.name, parts.log.name)
    this.#origin = this.#position = this.#resume(
      options.from === undefined ? 'start' : options.from,
    )
    // The other options are checked now too, not when the first record is asked for.
    this.#open(this.log.startOffset)
    if (signal?.aborted === true) this.#stop.abort()
    else if (signal !== undefined) this.#forgetSignal = onAbort(signal, () => this.#stop.abort())
  }

  #forgetSignal: (() => void) | undefined

  #resume(from: ReadFrom): Offset {
    const entry = this.#entry()
    if (entry === undefined) return fromOption(this.log, from)
    const offset = validOffset(entry, this.log)
    if (offset < entry.offset) {
      const fields = { consumer: this.name, log: this.log.name, committed: entry.offset, offset }
      this.#parts.logger.warn(
        fields,
        'records a consumer had read are gone: it reads on before them',
      )
    }
    return offset
  }

  /** First offset that is not committed; undefined when nothing ever was. */
  get committed(): Offset | undefined {
    const entry = this.#entry()
    return entry === undefined ? undefined : validOffset(entry, this.log)
  }

  /** Offset of the record that comes next: what `commit()` commits. */
  get position(): Offset {
    return this.#position
  }

  #entry(): PositionEntry | undefined {
    const entry = this.#parts.table.get(this.#key)
    return entry?.topicId === this.#parts.topicId ? entry : undefined
  }

  /**
   * Records from the position on, then new ones as they come; ends when the signal aborts, or the
   * consumer or its log is closed. A loop that is left can be followed by another, which goes on
   * behind the last record handed out. Loops at the same time share the records between them.
   *
   * @throws (rejects) OffsetOutOfRangeError the position was trimmed away; the error has the log
   *         start to `seek` to. CorruptionError.
   */
  [Symbol.asyncIterator](): AsyncIterator<LogRecord, undefined> {
    return { next: () => this.#next(), return: () => Promise.resolve(done) }
  }

  async #next(): Promise<IteratorResult<LogRecord, undefined>> {
    for (;;) {
      if (this.#stop.signal.aborted) return done
      let stream: RecordStream | undefined
      try {
        stream = this.#stream ??= this.#open(this.#position)
        const result = await stream.next()
        // Meanwhile somebody sought elsewhere.
        if (this.#stream !== stream) continue
        if (result.done !== true) this.#position = (result.value.offset + 1) as Offset
        return result
      } catch (error) {
        if (stream !== undefined && this.#stream !== stream) continue
        this.#stream = undefined
        if (error instanceof ClosedError) return done
        if (!this.#skipsTo(error)) throw error
      }
    }
  }

  /** Moves to the log start when the position was trimmed away and the options say so. */
  #skipsTo(error: unknown): boolean {
    if (!(error instanceof OffsetOutOfRangeError) || this.#options.onOutOfRange !== 'start') {
      return false
    }
    const { startOffset } = this.log
    if (this.#position >= startOffset) return false
    const fields = {
      consumer: this.name,
      log: this.log.name,
      from: this.#position,
      to: startOffset,
    }
    this.#parts.logger.warn(fields, 'records that a consumer has not read are gone: it skips them')
    this.#position = startOffset
    return true
  }

  #open(from: Offset): RecordStream {
    const { level = 'os', verify = true } = this.#options
    return this.log.follow({ from, level, verify, signal: this.#stop.signal })
  }

  /** Reads on at `to`, from the next record on. @throws OffsetOutOfRangeError, ClosedError. */
  seek(to: ReadFrom): void {
    this.#assertOpen()
    this.#position = fromOption(this.log, to)
    const { committed } = this
    this.#mayGoBack = committed !== undefined && this.#position < committed
    const stream = this.#stream
    this.#stream = undefined
    // Whoever waits at the old place goes on at the new one.
    if (stream === undefined || this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#stop = new AbortController()
  }

  /**
   * Everything before `offset`, by default the position, is done with. Resolves when the commit has
   * reached the level, the store's by default; at `disk` so have the records before it.
   *
   * @throws (rejects) OffsetOutOfRangeError it is below the log start or beyond the log end,
   *         StaleCommitError it would go back, InvalidOptionError, ClosedError: nothing was written.
   *         StorageError, LogFailedError as an append.
   */
  async commit(offset?: number, options: { readonly level?: DurabilityLevel } = {}): Promise<void> {
    knownOptions('commit', options, ['level'])
    const { table, key, value } = this.encodeCommit(offset)
    const level = options.level ?? this.#parts.level()
    const made = table.put(key, value, { level })
    // In the same turn, so that one sync serves both.
    const isAhead = level === 'disk' && this.log.durableOffset < value.offset
    const settled = isAhead ? this.log.reached('disk', value.offset) : undefined
    await Promise.all([made, settled])
    this.hasCommitted()
  }

  /** A commit was made: the next one does not go back below it. @internal */
  hasCommitted(): void {
    this.#mayGoBack = false
  }

  /**
   * Checks a commit as `commit` does, and makes none: `tx.commitPosition` puts it into the table in
   * one atomic group with other changes. It is committed as soon as the table shows it.
   * @throws as `commit` rejects, when nothing was written.
   */
  encodeCommit(offset: number = this.#position): EncodedCommit {
    this.#assertOpen()
    const checked = integerOption('offset', offset, { default: 0, min: 0 })
    assertInRange(this.log, checked)
    const { committed } = this
    if (committed !== undefined && checked < committed && !this.#mayGoBack) {
      const { name, log } = this
      throw new StaleCommitError({ consumer: name, log: log.name, offset: checked, committed })
    }
    const { table, topicId } = this.#parts
    return { table, key: this.#key, value: positionOf(this.log, topicId, checked) }
  }

  /**
   * How far the committed position, or where it began while nothing is committed, is behind what can
   * be read. From indexes alone. @throws ClosedError.
   */
  lag(): ConsumerLag {
    this.#assertOpen()
    const entry = this.#entry()
    return lagOf(this.log, this.committed ?? this.#origin, entry)
  }

  /** Ends iterations; commits nothing. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#forgetSignal?.()
    this.#stop.abort()
    this.#parts.onClose(this)
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ClosedError(`consumer ${this.name} of ${this.log.name} is closed`)
    this.log.assertReadable()
  }
}
