/**
 * One life of a store: from a successful open to a crash or a close. Moves and actions work on it;
 * it knows which errors they may meet, and drops answers that come when it is over.
 */
import { LogError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import { SimCrash, type SimFault } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem, SimOperation } from '../../src/platform/sim-file-system.ts'
import type { SimRandom } from '../../src/platform/sim-random.ts'
import type { Store } from '../../src/store/store.ts'
import type { Table } from '../../src/table/table.ts'
import type { OpenTables } from './check-tables.ts'
import type { HistoryTrace } from './history-trace.ts'
import type { LogModel, StoreModel } from './model.ts'
import type { PendingGroup } from './pending-groups.ts'
import type { HistoryShape } from './shapes.ts'
import type { SimClock } from './sim-clock.ts'

/** A log that is open, and what the model says of it. */
export type Target = { readonly log: Log; readonly model: LogModel }

/** A table that is open, and what the model says of its log. */
export type TableTarget = {
  readonly name: string
  readonly table: Table<string, string>
  readonly model: LogModel
}

/** What is answered after a crash is of a world that is gone. */
export class LifeOver extends Error {}

/** Codes that a race with a delete, a close or a truncation explains. */
const racedCodes = ['ERR_CLOSED', 'ERR_TOPIC_UNKNOWN', 'ERR_OFFSET_OUT_OF_RANGE']
const faultCodes = ['ERR_STORAGE', 'ERR_LOG_FAILED']

export class Life {
  readonly store: Store
  readonly disk: SimFileSystem
  readonly model: StoreModel
  readonly shape: HistoryShape
  readonly clock: SimClock
  readonly random: SimRandom
  readonly trace: HistoryTrace
  /** Every open table. */
  readonly tables = new Map<string, TableTarget>()
  /** Groups that were asked for and not answered, or answered in a way that leaves it open. */
  readonly groups = new Set<PendingGroup>()
  /** Operations and reads that were made to fail. */
  faultCount = 0
  /** The disk had no room for some time. */
  wasFull = false
  /** Files of which a flush failed. */
  readonly failedFlushes: string[] = []
  /** Whether a fault that somebody else planted was met. */
  hasMetFault: () => boolean = () => false
  #isOver = false
  #failure: unknown

  constructor(parts: {
    store: Store
    disk: SimFileSystem
    model: StoreModel
    shape: HistoryShape
    clock: SimClock
    random: SimRandom
    trace: HistoryTrace
    tables: OpenTables
  }) {
    this.store = parts.store
    this.disk = parts.disk
    this.model = parts.model
    this.shape = parts.shape
    this.clock = parts.clock
    this.random = parts.random
    this.trace = parts.trace
    for (const [name, table] of parts.tables) {
      this.tables.set(name, { name, table, model: this.model.tables.get(name)!.logs[0]! })
    }
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Something was made to fail in this life. */
  get hasFaults(): boolean {
    return this.faultCount > 0 || this.wasFull || this.hasMetFault()
  }

  /** Everything from here on belongs to a world that is gone. */
  end(): void {
    this.#isOver = true
    for (const group of this.groups) if (!group.isWritten) this.model.undecidedGroups.push(group)
    this.groups.clear()
    // Not `stopAt` the next operation: a part of that would be on the disk, and in no model.
    this.disk.halt()
  }

  /** The answer to `work`, if there is still somebody to hear it. */
  async during<T>(work: Promise<T>): Promise<T> {
    const answer = await work
    if (this.#isOver) throw new LifeOver()
    return answer
  }

  /** Runs a move or an action. An error that nothing explains ends the history. */
  async run(work: () => Promise<void> | void): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!this.#isOver && !this.isExplained(error)) this.#failure ??= error
    }
  }

  /** Throws what a move met that nothing explains. */
  rethrow(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** A crash, a race that loses, or a fault that was planted, each as a typed error. */
  isExplained(error: unknown): boolean {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof SimCrash || cause instanceof LifeOver) return true
    }
    if (!(error instanceof LogError)) return false
    const mayFail = this.hasFaults || this.disk.hasStopped
    return racedCodes.includes(error.code) || (mayFail && faultCodes.includes(error.code))
  }

  /** Every open log of every topic that is there for sure. */
  targets(): Target[] {
    const found: Target[] = []
    for (const [name, topic] of this.model.topics) {
      if (this.model.unsure.has(name)) continue
      for (const log of this.store.topic(name)?.openLogs() ?? []) {
        const model = topic.logs[Number(log.name.slice(name.length + 1))]
        if (model !== undefined) found.push({ log, model })
      }
    }
    return found
  }

  /** As `targets`, and the logs of tables. */
  allLogs(): Target[] {
    const ofTables = Array.from(this.tables.values(), ({ table, model }) => {
      return { log: table.log, model }
    })
    return [...this.targets(), ...ofTables]
  }

  /** From here on each operation fails with `probability`, up to operation `last`. */
  plantFaults(last: number, probability: number): void {
    this.disk.planFault = (operation) => {
      if (operation.number > last || !this.random.chance(probability)) return undefined
      return this.#fault(operation)
    }
  }

  #fault(operation: SimOperation): SimFault {
    const { kind, path } = operation
    this.faultCount++
    if (kind === 'flush') this.failedFlushes.push(path)
    const mayBeFull = ['write', 'create', 'make-directory', 'reserve'].includes(kind)
    const errno = mayBeFull && this.random.chance(0.6) ? 'ENOSPC' : 'EIO'
    this.trace.note(`${errno} at the next operation`)
    return { errno }
  }

  /** The disk takes `freeBytes` more, until there is room again. */
  fill(freeBytes: number): void {
    this.wasFull = true
    this.trace.note(`the disk has room for ${freeBytes} bytes`)
    this.disk.limitSpace(freeBytes)
  }

  makeRoom(): void {
    this.trace.note('the disk has room again')
    this.disk.limitSpace(undefined)
  }

  /** The read `ahead` of now fails. */
  plantReadFault(ahead: number): void {
    this.faultCount++
    this.trace.note(`EIO at read ${this.disk.readCount + ahead}`)
    this.disk.failRead(this.disk.readCount + ahead, { errno: 'EIO' })
  }
}
