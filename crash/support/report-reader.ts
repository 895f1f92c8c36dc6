/** What a worker reports (report-lines.ts), taken into the model of its store. */
import type { DurabilityLevel } from '../../src/public.ts'
import type { Survivors } from './log-model.ts'
import type { StoreModel } from './store-model.ts'

export class ReportReader {
  readonly #model: StoreModel
  readonly #survivors: Survivors
  readonly #topics = new Set<string>()
  readonly #logs = new Map<string, { start: number; ids: string[] }>()
  #lastIds: string[] = []
  #isJudged = false
  /** Faults found so far; errors of calls are apart. */
  readonly faults: string[] = []
  /** Errors that calls rejected with. */
  readonly errors: string[] = []
  /** Those of them that were not LogErrors. */
  readonly untypedErrors: string[] = []
  ackCount = 0
  recordCount = 0
  wasClean = false
  isLoaded = false
  isClosed = false
  /**
   * When the power began to go, on the shared clock: acknowledgements that the worker got later
   * promise nothing, because no machine would have lived to give them.
   */
  cutUs = Number.POSITIVE_INFINITY

  /** @param survivors what the end of the life before has left. */
  constructor(model: StoreModel, survivors: Survivors) {
    this.#model = model
    this.#survivors = survivors
  }

  take(line: string): void {
    const [kind, name = '', ...rest] = line.split(' ')
    switch (kind) {
      case 'opened':
        this.wasClean = name === 'true'
        return
      case 'topic':
        this.#topics.add(name)
        return
      case 'log':
        this.#lastIds = []
        this.#logs.set(name, { start: Number(rest[0]), ids: this.#lastIds })
        return
      case 'ids':
        this.#lastIds.push(name, ...rest)
        return
      case 'found':
        this.#judge()
        return
      case 'loaded':
        this.isLoaded = true
        return
      case 'trim':
        this.#model.log(name).trimming(Number(rest[0]))
        return
      case 'ack':
        this.#ack(name, rest)
        return
      case 'create':
        this.#model.creating(name)
        return
      case 'created':
        this.#model.created(name)
        return
      case 'delete':
        this.#model.deleting(name)
        return
      case 'deleted':
        this.#model.deleted(name)
        return
      case 'closed':
        this.isClosed = true
        return
      case 'error':
        this.#error(name === 'true', rest.join(' '))
        return
      default:
        this.faults.push(`${kind === 'fault' ? '' : `${kind} `}${[name, ...rest].join(' ')}`)
    }
  }

  #ack(log: string, [level, offset, source, number, count, isOneBatch, atUs]: string[]): void {
    const reached = Number(atUs) < this.cutUs ? (level as DurabilityLevel) : 'memory'
    const isWhole = isOneBatch === 'true'
    this.#model
      .log(log)
      .ack(reached, Number(offset), source!, Number(number), Number(count), isWhole)
    this.ackCount++
  }

  #error(isTyped: boolean, text: string): void {
    this.errors.push(text)
    if (!isTyped) this.untypedErrors.push(text)
  }

  /** Once everything that was there has been reported, and before anything is added. */
  #judge(): void {
    if (this.#isJudged) return
    this.#isJudged = true
    const found = { topics: this.#topics, logs: this.#logs }
    const { faults, records } = this.#model.check(found, this.#survivors)
    this.faults.push(...faults)
    this.recordCount = records
  }
}
