/** Those who are told of the changes of a table, each with a buffer of its own. */
import { WatchOverflowError } from '../base/errors.ts'
import { onAbort } from '../base/on-abort.ts'
import type { Offset } from '../base/types.ts'
import { isInRange, type KeyRange } from './key-range.ts'

export type TableChange<Key, Value> = {
  readonly key: Key
  /** Undefined: the key was deleted. */
  readonly value: Value | undefined
  /** Of the record in the table's log. */
  readonly offset: Offset
}

export type WatcherOptions<Watcher> = {
  readonly table: string
  readonly range: KeyRange
  readonly maxBuffered: number
  readonly signal: AbortSignal | undefined
  /** Called once, when it ends. */
  readonly onEnd: (watcher: Watcher) => void
}

/**
 * One watcher: an async iterator over changes, in the order of their offsets. Ends when aborted, when
 * its loop is left or when the table closes; throws WatchOverflowError when it fell behind.
 */
export class TableWatcher<Key, Value> implements AsyncIterableIterator<TableChange<Key, Value>> {
  readonly #options: WatcherOptions<TableWatcher<Key, Value>>
  #buffered: TableChange<Key, Value>[] = []
  #waiting: {
    readonly resolve: (result: IteratorResult<TableChange<Key, Value>, undefined>) => void
    readonly reject: (error: unknown) => void
  }[] = []
  #failure: { readonly error: unknown } | undefined
  #hasEnded = false
  #forgetSignal: (() => void) | undefined

  constructor(options: WatcherOptions<TableWatcher<Key, Value>>) {
    this.#options = options
    if (options.signal?.aborted === true) this.end()
    else if (options.signal !== undefined) {
      this.#forgetSignal = onAbort(options.signal, () => this.end())
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Whether the key `bytes[start, end)` is watched. */
  covers(bytes: Buffer, start: number, end: number): boolean {
    return isInRange(this.#options.range, bytes, start, end)
  }

  /** Table only: hands on a change. */
  push(change: TableChange<Key, Value>): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) waiting.resolve({ done: false, value: change })
    else if (this.#buffered.length < this.#options.maxBuffered) this.#buffered.push(change)
    else {
      const { table, maxBuffered } = this.#options
      // What is missing is in the middle: what came before it does not help any more.
      this.fail(new WatchOverflowError({ table, maxBuffered }))
    }
  }

  /** Table only: ends it with an error. */
  fail(error: unknown): void {
    if (this.#waiting.length > 0) this.#waiting.shift()?.reject(error)
    else this.#failure = { error }
    this.end()
  }

  next(): Promise<IteratorResult<TableChange<Key, Value>, undefined>> {
    const change = this.#buffered.shift()
    if (change !== undefined) return Promise.resolve({ done: false, value: change })
    const failure = this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      return Promise.reject(failure.error)
    }
    if (this.#hasEnded) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<TableChange<Key, Value>, undefined>> {
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Ends it: nothing that is still buffered is handed out. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#buffered = []
    this.#forgetSignal?.()
    for (const { resolve } of this.#waiting) resolve({ done: true, value: undefined })
    this.#waiting = []
    this.#options.onEnd(this)
  }
}
