/** What must and what may be in a store after a crash: its logs, and topics that come and go. */
import type { DurabilityLevel } from '../../src/public.ts'
import { LogModel, type Survivors } from './log-model.ts'

export class StoreModel {
  readonly #logs = new Map<string, LogModel>()
  /** Topics that must be there. */
  readonly #topics = new Set<string>()
  /** Topics that may be there: their creation or deletion was under way. */
  readonly #unsure = new Set<string>()
  readonly #isJudged: (topic: string) => boolean

  /** @param isJudged which topics' records are looked at; the others are only there or not. */
  constructor(isJudged: (topic: string) => boolean = () => true) {
    this.#isJudged = isJudged
  }

  log(name: string): LogModel {
    let log = this.#logs.get(name)
    if (log === undefined) {
      log = new LogModel(name)
      this.#logs.set(name, log)
    }
    return log
  }

  /** Records of all logs that were acknowledged at `level`, which did not survive, and are gone. */
  droppedCount(level: DurabilityLevel): number {
    let count = 0
    for (const log of this.#logs.values()) count += log.droppedCount(level)
    return count
  }

  creating(topic: string): void {
    this.#unsure.add(topic)
  }

  created(topic: string): void {
    this.#unsure.delete(topic)
    this.#topics.add(topic)
  }

  deleting(topic: string): void {
    this.#topics.delete(topic)
    this.#unsure.add(topic)
  }

  deleted(topic: string): void {
    this.#unsure.delete(topic)
  }

  /**
   * Judges what a store holds after a crash.
   *
   * @returns the faults, and how many records were looked at.
   */
  check(found: FoundStore, survivors: Survivors): { faults: string[]; records: number } {
    const faults: string[] = []
    for (const topic of this.#topics) {
      if (!found.topics.has(topic)) faults.push(`lost: topic ${topic} was created`)
    }
    for (const topic of found.topics) {
      if (this.#topics.has(topic) || this.#unsure.has(topic)) continue
      faults.push(`topic ${topic} is there, though it was deleted or never created`)
    }
    this.#topics.clear()
    this.#unsure.clear()
    for (const topic of found.topics) this.#topics.add(topic)
    let records = 0
    const names = new Set([...this.#logs.keys(), ...found.logs.keys()])
    for (const name of names) {
      if (!this.#isJudged(name.slice(0, name.lastIndexOf('-')))) continue
      const log = found.logs.get(name) ?? { start: 0, ids: [] }
      faults.push(...this.log(name).check(log, survivors))
      records += log.ids.length
    }
    return { faults, records }
  }
}

/** What was read of a store: topics by name, logs by `<topic>-<partition>`. */
export type FoundStore = {
  readonly topics: ReadonlySet<string>
  readonly logs: ReadonlyMap<string, { readonly start: number; readonly ids: readonly string[] }>
}
