/**
 * One fetch: what it may read, whether that is enough to answer, and the reading itself.
 *
 * Readable is what lies below the high watermark, or below the last stable offset for
 * read_committed. Partitions are walked in the order of the request; each gets at most its own
 * limit and what is left of the whole; the first that has anything gives one whole batch even
 * when that exceeds both, so that no batch is too large to be fetched.
 *
 * An answer is due at once when anything is to be told (an error, a divergence) or when at least
 * `minBytes` may be read.
 */
import { LogError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import type { LogSlice } from '../log/log-search.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import type { AskedPartition, PartitionData } from './fetch-partition.ts'
import { checkLeaderEpoch } from './partition-lookup.ts'
import { zstdFreePrefix } from './zstd-free-prefix.ts'

export type FetchLimits = {
  readonly isolationLevel: number
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly allowsZstd: boolean
}

export type FetchEntry = {
  readonly name: string
  readonly topicId: string
  readonly asked: AskedPartition
  /** Or why there is none. */
  readonly log: Log | ErrorCode
}

type Reading<Entry> = { readonly entry: Entry; readonly data: PartitionData }

const readCommitted = 1
const noRecords = Buffer.alloc(0)

/**
 * An answer holds one open file for each partition with records until it is sent, and no more than
 * this share of those that the store may have open: what is left is for the next fetch.
 */
const shareOfOpenFiles = 1 / 4

export class FetchPlan<Entry extends FetchEntry = FetchEntry> {
  readonly #broker: BrokerEnvironment
  readonly #entries: readonly Entry[]
  readonly #isCommitted: boolean
  readonly #allowsZstd: boolean
  readonly #maxBytes: number
  readonly #minBytes: number
  readonly #maxWaitMs: number
  /** Readable bytes per entry, as last counted; before that 1 where there are any. */
  #available: number[]
  /** Something is to be told at once. */
  #isUrgent = false

  constructor(broker: BrokerEnvironment, limits: FetchLimits, entries: readonly Entry[]) {
    this.#broker = broker
    this.#entries = entries
    this.#isCommitted = limits.isolationLevel === readCommitted
    this.#allowsZstd = limits.allowsZstd
    this.#maxBytes = Math.max(0, Math.min(limits.maxBytes, broker.settings.fetchMaxBytes))
    this.#minBytes = Math.min(limits.minBytes, this.#maxBytes)
    this.#maxWaitMs = limits.maxWaitMs
    this.#available = entries.map((entry) => (this.#readableEnd(entry) === undefined ? 0 : 1))
  }

  /** `count` must be called before `isReady` can tell; that reads headers, so load `coldParts` first. */
  mustCount(): boolean {
    if (this.#maxWaitMs <= 0 || this.#isUrgent) return false
    return this.#entries.some(({ log }, i) => this.#available[i] !== 0 && this.#isCounted(log))
  }

  /** Counts what may be read. */
  count(): void {
    this.#available = this.#entries.map((entry) => this.#count(entry))
  }

  /** Whether there is no reason to wait. */
  isReady(): boolean {
    return this.#maxWaitMs <= 0 || this.#entries.length === 0 || this.#isDue()
  }

  /** The same again after `changed` took an append or was closed. */
  isReadyAfter(changed: Log): boolean {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!
      if (entry.log === changed) this.#available[i] = this.#count(entry)
    }
    return this.#isDue()
  }

  /** The logs whose changes matter, each once. */
  logs(): Set<Log> {
    return new Set(this.#entries.map(({ log }) => log).filter((log) => typeof log !== 'number'))
  }

  /**
   * What must be brought into memory for `read` not to wait for the disk: of the partitions that an answer
   * has room for if each gives all it may. The slices are the caller's to release.
   */
  coldParts(): FileSlice[] {
    const parts: FileSlice[] = []
    let leftBytes = this.#maxBytes
    for (let i = 0; i < this.#entries.length && leftBytes > 0; i++) {
      if (this.#available[i] === 0) continue
      const { asked, log } = this.#entries[i]!
      leftBytes -= Math.max(1, asked.partitionMaxBytes)
      const part = coldPartOf(log as Log, asked.fetchOffset)
      if (part !== undefined) parts.push(part)
    }
    return parts
  }

  /** Reads now, whatever there is. The slices are the caller's to release. */
  read(): Reading<Entry>[] {
    let leftBytes = this.#maxBytes
    let leftFiles = Math.max(1, Math.floor(this.#broker.store.maxOpenFiles * shareOfOpenFiles))
    let hasRecords = false
    return this.#entries.map((entry) => {
      const reading = this.#readOne(entry, leftFiles > 0 ? leftBytes : 0, !hasRecords)
      if (reading.bytes > 0) {
        hasRecords = true
        leftFiles--
      }
      leftBytes -= reading.bytes
      return { entry, data: reading.data }
    })
  }

  #isDue(): boolean {
    if (this.#isUrgent) return true
    let bytes = 0
    for (const available of this.#available) bytes += available
    return bytes >= this.#minBytes
  }

  #count(entry: FetchEntry): number {
    const { asked, log } = entry
    const upTo = this.#readableEnd(entry)
    if (upTo === undefined || typeof log === 'number') return 0
    if (!this.#isCounted(log)) return 1
    try {
      const limitBytes = Math.max(asked.partitionMaxBytes, 1)
      return Math.min(log.availableBytes(asked.fetchOffset, upTo), limitBytes)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      // The read comes upon it too, and tells it of this partition alone.
      this.#isUrgent = true
      return 0
    }
  }

  /** Whoever is content with one byte need not have them counted, where batches are whole. */
  #isCounted(log: Log | ErrorCode): boolean {
    return typeof log !== 'number' && (this.#minBytes > 1 || log.isReplicated)
  }

  /** Where what may be read ends; undefined when there is nothing. */
  #readableEnd(entry: FetchEntry): number | undefined {
    const { asked, log } = entry
    const problem = this.#problem(entry)
    if (typeof log === 'number' || problem !== undefined) {
      this.#isUrgent = true
      return undefined
    }
    const upTo = this.#upTo(log)
    return asked.fetchOffset < upTo ? upTo : undefined
  }

  #upTo(log: Log): number {
    return this.#isCommitted ? log.lastStableOffset : log.highWatermark
  }

  /** What must be told about an entry instead of records; undefined when it can be read. */
  #problem({ asked, log }: FetchEntry): Partial<PartitionData> | undefined {
    if (typeof log === 'number') return { errorCode: log }
    if (log.state === 'closed') return { errorCode: this.#closedCode(log) }
    const epochError = checkLeaderEpoch(this.#broker.store, asked.currentLeaderEpoch)
    if (epochError !== errorCodes.none) return { errorCode: epochError }
    const divergence = divergenceOf(log, asked)
    if (divergence !== undefined) return divergence
    const { fetchOffset } = asked
    if (fetchOffset >= log.startOffset && fetchOffset <= log.endOffset) return undefined
    return { errorCode: errorCodes.offsetOutOfRange }
  }

  #closedCode(log: Log): ErrorCode {
    const entry = this.#entries.find((one) => one.log === log)
    const { store } = this.#broker
    const isThere =
      entry !== undefined &&
      (entry.name === '' ? store.topicById(entry.topicId) : store.topic(entry.name)) !== undefined
    if (isThere) return errorCodes.notLeaderOrFollower
    return entry?.name === '' ? errorCodes.unknownTopicId : errorCodes.unknownTopicOrPartition
  }

  #readOne(
    entry: FetchEntry,
    leftBytes: number,
    minOneBatch: boolean,
  ): { data: PartitionData; bytes: number } {
    const { asked, log } = entry
    const problem = this.#problem(entry)
    if (typeof log === 'number' || problem !== undefined) {
      return { data: { ...this.#empty(asked, undefined), ...problem }, bytes: 0 }
    }
    const data = this.#empty(asked, log)
    const maxBytes = Math.min(asked.partitionMaxBytes, leftBytes)
    if (maxBytes <= 0 && !minOneBatch) return { data, bytes: 0 }
    let slice: LogSlice | undefined
    try {
      const upTo = this.#upTo(log)
      slice = log.readSlice(asked.fetchOffset, Math.max(maxBytes, 0), { upTo, minOneBatch })
      if (slice === undefined) return { data, bytes: 0 }
      const records = this.#allowsZstd ? slice : zstdFreePrefix(slice)
      if (records !== undefined) return { data: { ...data, records }, bytes: records.length }
      slice.release()
      return { data: { ...data, errorCode: errorCodes.unsupportedCompressionType }, bytes: 0 }
    } catch (error) {
      slice?.release()
      return {
        data: { ...this.#empty(asked, undefined), errorCode: this.#broker.faults.codeOf(error) },
        bytes: 0,
      }
    }
  }

  /** An answer without records; `log` is left out of an error's. */
  #empty(asked: AskedPartition, log: Log | undefined): PartitionData {
    return {
      partitionIndex: asked.partition,
      errorCode: errorCodes.none,
      highWatermark: log?.highWatermark ?? -1,
      lastStableOffset: log?.lastStableOffset ?? -1,
      logStartOffset: log?.startOffset ?? -1,
      // A list is for read_committed alone: librdkafka logs an error otherwise.
      abortedTransactions: this.#isCommitted ? [] : null,
      records: noRecords,
    }
  }
}

function coldPartOf(log: Log, offset: number): FileSlice | undefined {
  try {
    return log.coldPart(offset)
  } catch {
    return undefined // Whatever it is, the read comes upon it and answers for it.
  }
}

/** Where the client's log and ours parted (KIP-595), when it said what it last read and they did. */
function divergenceOf(log: Log, asked: AskedPartition): Partial<PartitionData> | undefined {
  const { lastFetchedEpoch, fetchOffset } = asked
  if (lastFetchedEpoch < 0) return undefined
  const { epoch, endOffset } = log.endOfEpoch(lastFetchedEpoch)
  if (epoch < 0 || endOffset < 0) return { errorCode: errorCodes.offsetOutOfRange }
  if (epoch === lastFetchedEpoch && endOffset >= fetchOffset) return undefined
  return { divergingEpoch: { epoch, endOffset } }
}
