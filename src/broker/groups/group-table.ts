/**
 * The table that groups and offsets are kept in: what the coordinator needs of it, and how it is
 * made today, as a map whose changes are records of a log of its own.
 *
 * The log is rewritten when it has grown to four times what is alive (and 64 MiB): all that is alive
 * is appended anew and made durable, then everything before it is trimmed. A crash in between
 * leaves more records than needed and the same map.
 */
import { StoreFormatError } from '../../base/errors.ts'
import type { DurabilityLevel } from '../../base/types.ts'
import { kibibyte, mebibyte } from '../../base/units.ts'
import type { Log } from '../../log/log.ts'
import type { RecordInput } from '../../record/record.ts'
import type { Store } from '../../store/store.ts'
import { groupsTopic } from '../../store/store-layout.ts'

export type TableChange<Value> =
  | { readonly key: string; readonly value: Value }
  | { readonly key: string; readonly delete: true }

export interface GroupTable<Value> {
  /**
   * Makes all changes, or none; changes of later calls come after them. Resolves when they have
   * reached `level`. @throws (rejects) LogError.
   */
  batch(
    changes: readonly TableChange<Value>[],
    options: { readonly level: DurabilityLevel },
  ): Promise<void>
  /** Entries whose key begins with `prefix`. */
  range(options: { readonly prefix: string }): Iterable<[key: string, value: Value]>
}

/** A record of a group of thousands of members is larger than what clients may send. */
const maxBatchBytes = 64 * mebibyte
/** Nothing but a rewrite may drop what is in the log, however old it is. */
const topicConfig = {
  'max.message.bytes': String(maxBatchBytes),
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
}
const minRewriteBytes = 64 * mebibyte
const rewriteFactor = 4
const rewriteBatchBytes = 256 * kibibyte
/** Records read between two turns of the event loop. */
const loadStep = 20_000

/** Opens the table of groups of `store`. The topic behind it is made by the first change. */
export async function openGroupTable<Value>(
  store: Store,
  options: { readonly minRewriteBytes?: number } = {},
): Promise<GroupTable<Value>> {
  const table = new LogTable<Value>(store, options.minRewriteBytes ?? minRewriteBytes)
  await table.load()
  return table
}

class LogTable<Value> implements GroupTable<Value> {
  readonly #store: Store
  readonly #minRewriteBytes: number
  /** Values as JSON, as they stand in the log. */
  readonly #entries = new Map<string, string>()
  #aliveBytes = 0
  #log: Log | undefined
  #opening: Promise<Log> | undefined
  #isRewriting = false
  /** No rewrite below this size of the log. */
  #rewriteFromBytes: number

  constructor(store: Store, minimumBytes: number) {
    this.#store = store
    this.#minRewriteBytes = minimumBytes
    this.#rewriteFromBytes = minimumBytes
  }

  async load(): Promise<void> {
    const log = this.#store.topic(groupsTopic)?.log(0)
    if (log === undefined) return
    this.#log = log
    const cursor = log.cursor({ from: 'start' })
    for (let count = 1; cursor.next(); count++) {
      const key = cursor.key()?.toString()
      if (key === undefined) {
        const reason = `record ${cursor.offset} has no key`
        throw new StoreFormatError({ path: log.directory, reason })
      }
      this.#apply(key, cursor.value()?.toString() ?? null)
      if (count % loadStep === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // What a killed process had written need not be durable yet. Clients are about to see it, and
    // what they have seen must not go back when power is lost next.
    await log.flush()
  }

  async batch(
    changes: readonly TableChange<Value>[],
    { level }: { readonly level: DurabilityLevel },
  ): Promise<void> {
    const records = changes.map(recordOf)
    // Set by the first of those who waited, so that nobody overtakes them.
    const log = (this.#log ??= await this.#open())
    const end = log.endOffset
    const acked = log.append(records, { level })
    if (log.endOffset > end) {
      for (const { key, value } of records) this.#apply(key, value)
      this.#rewriteIfDue(log)
    }
    await acked
  }

  *range({ prefix }: { readonly prefix: string }): Generator<[string, Value]> {
    for (const [key, text] of this.#entries) {
      if (key.startsWith(prefix)) yield [key, this.#parse(key, text)]
    }
  }

  #open(): Promise<Log> {
    this.#opening ??= this.#create().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #create(): Promise<Log> {
    const topic =
      this.#store.topic(groupsTopic) ??
      (await this.#store.createTopic(groupsTopic, { config: topicConfig }))
    return topic.log(0)
  }

  #apply(key: string, value: string | null): void {
    const before = this.#entries.get(key)
    if (before !== undefined) this.#aliveBytes -= key.length + before.length
    if (value === null) this.#entries.delete(key)
    else {
      this.#entries.set(key, value)
      this.#aliveBytes += key.length + value.length
    }
  }

  #parse(key: string, text: string): Value {
    try {
      return JSON.parse(text)
    } catch (cause) {
      const reason = `the value of ${JSON.stringify(key)} is not JSON`
      throw new StoreFormatError({ path: this.#log?.directory ?? groupsTopic, reason }, { cause })
    }
  }

  #rewriteIfDue(log: Log): void {
    const limitBytes = Math.max(this.#rewriteFromBytes, rewriteFactor * this.#aliveBytes)
    if (this.#isRewriting || log.sizeBytes < limitBytes) return
    this.#isRewriting = true
    this.#rewrite(log).then(
      () => {
        this.#isRewriting = false
        this.#rewriteFromBytes = this.#minRewriteBytes
      },
      () => {
        // Whatever stopped it (a full disk, the log closing) is told to those who write next; the
        // log stays as good as it was, and the next try waits until it has grown as much again.
        this.#isRewriting = false
        this.#rewriteFromBytes = log.sizeBytes + this.#minRewriteBytes
      },
    )
  }

  async #rewrite(log: Log): Promise<void> {
    log.roll()
    const start = log.endOffset
    let batch: RecordInput[] = []
    let bytes = 0
    const written: Promise<unknown>[] = []
    for (const [key, value] of this.#entries) {
      batch.push({ key, value })
      bytes += key.length + value.length
      if (bytes < rewriteBatchBytes) continue
      written.push(log.append(batch, { level: 'os' }))
      batch = []
      bytes = 0
    }
    if (batch.length > 0) written.push(log.append(batch, { level: 'os' }))
    await Promise.all(written)
    await log.flush()
    log.trim(start)
  }
}

function recordOf<Value>(change: TableChange<Value>): { key: string; value: string | null } {
  return {
    key: change.key,
    value: 'delete' in change ? null : JSON.stringify(change.value),
  }
}
