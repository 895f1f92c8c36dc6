/**
 * Batches records sent one at a time: a batch goes out when it is large enough, when it has waited
 * `lingerMs`, on `flush`, or when the log is closed. Every `send` has its own promise, resolved with
 * the record's offset and the level its batch reached.
 *
 * Memory is bounded: at most one batch is being built, and it is written the moment it is full.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { ClosedError } from '../base/errors.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { CodecName } from '../record/codec-name.ts'
import type { RecordHeadersInput, RecordInput } from '../record/record.ts'

export type RecordAck = {
  readonly offset: Offset
  /** Level the record had reached when the promise resolved. */
  readonly level: DurabilityLevel
}

export type WriterSettings = {
  readonly compression: CodecName
  /** How long a record may wait for others, in ms; 0 = until the current turn of the loop ends. */
  readonly lingerMs: number
  /** A batch goes out before it grows past this many bytes, uncompressed. */
  readonly batchBytes: number
  readonly level: DurabilityLevel
}

/** What a writer needs of its log. */
export interface WriterTarget {
  readonly clock: Clock
  /** Finishes and appends a batch; synchronous up to level `os`. `level` is what is waited for. Tells nobody. */
  appendBuilt(
    builder: BatchBuilder,
    level: DurabilityLevel,
  ): { baseOffset: Offset; lastOffset: Offset }
  /** Tells who listens of what was appended: last. */
  tellListeners(): void
  /** Resolves when everything below `offset` has reached `level`. */
  settled(level: DurabilityLevel, offset: number): Promise<void>
  /** Calls `listener` before the log closes, while it takes appends; see `Log.onClosing`. */
  onClosing(listener: () => void): () => void
}

/** Those who wait for the records of a batch, in their order; two arrays, so that no record needs an object. */
class Waiting {
  readonly #resolves: ((ack: RecordAck) => void)[] = []
  readonly #rejects: ((error: unknown) => void)[] = []
  /** What a record's promise is made with. */
  readonly add = (resolve: (ack: RecordAck) => void, reject: (error: unknown) => void): void => {
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
  }

  get isEmpty(): boolean {
    return this.#resolves.length === 0
  }

  resolve(baseOffset: Offset, level: DurabilityLevel): void {
    this.#resolves.forEach((resolve, i) => {
      resolve({ offset: (baseOffset + i) as Offset, level })
    })
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error)
  }
}

/** How many records share a reading of the clock, where all of a batch are sent in one turn of the loop. */
const recordsPerReading = 32

export class LogWriter {
  readonly #target: WriterTarget
  readonly #settings: WriterSettings
  readonly #builder: BatchBuilder
  #waiting = new Waiting()
  #nowMs = 0
  #timer: Timer | undefined
  #stopListening: (() => void) | undefined
  #isScheduled = false
  #unsettled = new Set<Promise<void>>()
  #isClosed = false

  /** Made by `Log.writer`. @internal */
  constructor(target: WriterTarget, settings: WriterSettings) {
    this.#target = target
    this.#settings = settings
    this.#builder = new BatchBuilder({ codec: settings.compression })
  }

  /**
   * Adds a record to the batch being built.
   *
   * @returns resolves when the record reached the writer's level; rejects when its batch could not
   *          be written. A record that is not valid rejects alone and harms no other.
   */
  send(record: RecordInput): Promise<RecordAck> {
    if (this.#isClosed) return Promise.reject(new ClosedError('the writer is closed'))
    // A record that does not fit goes into the next batch, so that a huge one fails alone.
    if (this.#builder.sizeBytes + payloadBytes(record) > this.#settings.batchBytes) this.#write()
    try {
      this.#builder.add(record, this.#now())
    } catch (error) {
      return Promise.reject(error)
    }
    const ack = new Promise<RecordAck>(this.#waiting.add)
    if (this.#builder.sizeBytes >= this.#settings.batchBytes) this.#write()
    else this.#schedule()
    return ack
  }

  /** Writes what is waiting. Resolves when all sent so far reached the level, or failed. */
  async flush(): Promise<void> {
    this.#write()
    await Promise.all(this.#unsettled)
  }

  /** Flushes and refuses further records. A second call does nothing. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.flush()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A reading of the clock costs as much as a record. */
  #now(): number {
    const isShared = this.#settings.lingerMs === 0
    if (!isShared || this.#builder.recordCount % recordsPerReading === 0) {
      this.#nowMs = this.#target.clock.now()
    }
    return this.#nowMs
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const write = (): void => this.#write()
    if (this.#settings.lingerMs > 0) {
      const { clock } = this.#target
      this.#timer = clock.after(this.#settings.lingerMs, write, { keepsAlive: true })
    } else {
      setImmediate(write)
    }
    // What was sent before the log is closed is written.
    this.#stopListening = this.#target.onClosing(write)
  }

  #write(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#isScheduled = false
    const waiting = this.#waiting
    if (waiting.isEmpty) return
    this.#waiting = new Waiting()
    let appended: { baseOffset: Offset; lastOffset: Offset }
    try {
      appended = this.#target.appendBuilt(this.#builder, this.#settings.level)
    } catch (error) {
      waiting.reject(error)
      return
    } finally {
      this.#builder.reset()
    }
    const settled = this.#settle(waiting, appended.baseOffset, appended.lastOffset)
    this.#unsettled.add(settled)
    settled.finally(() => this.#unsettled.delete(settled))
    this.#target.tellListeners()
  }

  async #settle(waiting: Waiting, baseOffset: Offset, lastOffset: Offset): Promise<void> {
    const { level } = this.#settings
    try {
      await this.#target.settled(level, lastOffset + 1)
    } catch (error) {
      waiting.reject(error)
      return
    }
    waiting.resolve(baseOffset, level)
  }
}

/** Bytes of key, value and headers. Anything odd counts 0: `add` refuses it. */
function payloadBytes(record: RecordInput): number {
  if (typeof record === 'string' || record instanceof Uint8Array) return byteLength(record)
  const { key, value, headers } = record ?? {}
  return byteLength(key) + byteLength(value) + (headers === undefined ? 0 : headerBytes(headers))
}

/** Strings count three bytes a unit, the most they can be: a batch may go out a little early. */
function byteLength(bytes: unknown): number {
  if (typeof bytes === 'string') return bytes.length * 3
  return bytes instanceof Uint8Array ? bytes.length : 0
}

function headerBytes(headers: RecordHeadersInput): number {
  if (typeof headers !== 'object' || headers === null) return 0
  const pairs = Array.isArray(headers)
    ? headers.map((header) => [header?.key, header?.value])
    : Object.entries(headers)
  return pairs.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0)
}
