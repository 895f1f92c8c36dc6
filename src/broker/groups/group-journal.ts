/**
 * Writes changes of groups to their table. Changes of one turn of the event loop, from whatever
 * connections, go as one batch, so that ten thousand commits cost one append and one sync.
 */
import { BatchTooLargeError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { DurabilityLevel } from '../../base/types.ts'
import { kibibyte } from '../../base/units.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import type { TableChange } from '../lazy-table.ts'
import type { GroupTableValue } from './group-record.ts'
import type { GroupTable } from './group-table.ts'

export type GroupChange = TableChange<GroupTableValue>

/** Changes that become durable together, or fail together. */
type Batch = { changes: GroupChange[]; sizeBytes: number; done: Promise<ErrorCode> }

/** A batch that would grow past this is followed by another. */
const maxBatchBytes = 512 * kibibyte
/** What a change takes beside its key and its text, roughly. */
const changeBytes = 150

export class GroupJournal {
  readonly #table: GroupTable<GroupTableValue>
  readonly #level: DurabilityLevel
  readonly #logger: Logger
  #forming: Batch | undefined
  #last: Promise<ErrorCode> = Promise.resolve(errorCodes.none)

  constructor(table: GroupTable<GroupTableValue>, level: DurabilityLevel, logger: Logger) {
    this.#table = table
    this.#level = level
    this.#logger = logger
  }

  /**
   * Writes changes, all or none, behind those of earlier calls.
   *
   * @param textBytes  size of what is of no fixed size in their values.
   * @returns          `none` once they are durable, else what to tell the client; never rejects.
   */
  write(changes: readonly GroupChange[], textBytes = 0): Promise<ErrorCode> {
    let sizeBytes = textBytes
    for (const { key } of changes) sizeBytes += key.length + changeBytes
    let batch = this.#forming
    if (batch === undefined || batch.sizeBytes + sizeBytes > maxBatchBytes) batch = this.#begin()
    batch.sizeBytes += sizeBytes
    for (const change of changes) batch.changes.push(change)
    return batch.done
  }

  /** Resolves when everything written so far is durable, or has failed. */
  async settled(): Promise<void> {
    await this.#last
  }

  #begin(): Batch {
    const changes: GroupChange[] = []
    const before = this.#last
    const done = new Promise<ErrorCode>((resolve) => {
      setImmediate(() => {
        if (this.#forming === batch) this.#forming = undefined
        const stored = this.#store(changes)
        // In order, though tables need not resolve in order.
        before.then(() => stored).then(resolve)
      })
    })
    const batch = { changes, sizeBytes: 0, done }
    this.#forming = batch
    this.#last = done
    return batch
  }

  async #store(changes: readonly GroupChange[]): Promise<ErrorCode> {
    try {
      await this.#table.batch(changes, { level: this.#level })
      return errorCodes.none
    } catch (error) {
      this.#logger.error({ err: error, changes: changes.length }, 'groups could not be stored')
      // What Kafka tells: too large is for good, anything else may be better soon.
      return error instanceof BatchTooLargeError
        ? errorCodes.unknownServerError
        : errorCodes.coordinatorNotAvailable
    }
  }
}
