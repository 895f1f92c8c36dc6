/**
 * Records for people: `for await (const record of log.read(…))`.
 *
 * Records of a loaded chunk are handed out without waiting; between chunks the event loop gets a
 * turn, so that a long read does not starve timers and sockets, and what the next chunk needs of a cold
 * disk is read while others run.
 */
import { ClosedError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { type FileSlice, loadSlice } from '../platform/file-slice.ts'
import type { LogRecord } from '../record/record.ts'
import type { LogCursor } from './log-cursor.ts'

export interface RecordStream extends AsyncIterableIterator<LogRecord> {
  return(): Promise<IteratorReturnResult<undefined>>
}

export type StreamSource = {
  readonly cursor: LogCursor
  /** Exclusive bound at this moment. */
  upTo(): Offset
  /**
   * Called at the end of what is there: resolves true when there is more, false when the stream is
   * over. A bounded read answers false at once.
   */
  more(): Promise<boolean>
  readonly signal: AbortSignal | undefined
  /** Closing the log is how the stream ends, not an error. */
  readonly endsOnClose?: boolean
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined }

export function recordStream(source: StreamSource): RecordStream {
  return new CursorStream(source)
}

class CursorStream implements RecordStream {
  readonly #source: StreamSource
  #chunkCount = 0
  #isDone = false
  /** Calls of `next` that overlap answer in order. */
  #last: Promise<unknown> | undefined

  constructor(source: StreamSource) {
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    if (this.#last !== undefined) return this.#queue()
    const { cursor, signal } = this.#source
    if (this.#isDone || signal?.aborted === true) return this.return()
    try {
      if (!cursor.next(this.#source.upTo())) return this.#queue()
    } catch (error) {
      return this.#end(error)
    }
    const result = { done: false as const, value: cursor.record() }
    if (cursor.chunkCount === this.#chunkCount) return Promise.resolve(result)
    this.#chunkCount = cursor.chunkCount
    const cold = coldAhead(cursor)
    if (cold !== undefined) return loadSlice(cold).then(() => result)
    return new Promise((resolve) => setImmediate(resolve, result))
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#isDone = true
    return Promise.resolve(done)
  }

  #end(error: unknown): Promise<IteratorReturnResult<undefined>> {
    this.#isDone = true
    if (this.#source.endsOnClose === true && error instanceof ClosedError) return this.return()
    return Promise.reject(error)
  }

  #queue(): Promise<IteratorResult<LogRecord, undefined>> {
    const before = this.#last
    const result = this.#wait(before)
    const settled = result.then(ignore, ignore)
    this.#last = settled
    settled.then(() => {
      if (this.#last === settled) this.#last = undefined
    })
    return result
  }

  async #wait(before: Promise<unknown> | undefined): Promise<IteratorResult<LogRecord, undefined>> {
    await before
    const { cursor, signal } = this.#source
    for (;;) {
      if (this.#isDone || signal?.aborted === true) return this.return()
      try {
        if (cursor.next(this.#source.upTo())) return { done: false, value: cursor.record() }
        if (!(await this.#source.more())) return await this.return()
      } catch (error) {
        return await this.#end(error)
      }
    }
  }
}

function coldAhead(cursor: LogCursor): FileSlice | undefined {
  try {
    return cursor.coldAhead()
  } catch {
    return undefined // The record at hand is whole, and whatever it is, the next read says it.
  }
}

function ignore(): void {}
