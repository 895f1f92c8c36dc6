/**
 * Goal: whatever a store was doing when power or process went, opening it again keeps the promises.
 * Method: random histories of several logs on the simulated disk, ended by every class of crash in
 * the middle of an operation or between two, against a model that knows what was accepted, what
 * was acknowledged at which level, and what may therefore be there. A failing seed is in the
 * test's message; STRATALOG_CRASH_SEED=<seed> runs it alone.
 */
import { expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { type CrashClass, crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Store } from '../../src/store/store.ts'
import {
  appendClient,
  clientBatch,
  expectDense,
  expectIndexesEqualScan,
  openOn,
  recordsIn,
  simDisk,
} from '../support/log-inspection.ts'

const seedCount = 300
const lives = 4
const onlySeed = process.env['STRATALOG_CRASH_SEED']

type LogModel = {
  /** Values by offset, as accepted; some may be unknown (below a trim). */
  accepted: string[]
  /** Ends of batches: a log may only end at one of these. */
  borders: Set<number>
  /** The log reaches at least here after losing power. */
  diskEnd: number
  /** The log reaches at least here after losing the process. */
  osEnd: number
  minStart: number
  /** An acknowledgement that a truncation overtook says nothing. */
  truncations: number
  maxStart: number
}

class LifeOver extends Error {}

type TopicModel = { id: string; logs: LogModel[] }

function emptyLog(): LogModel {
  const bounds = { diskEnd: 0, osEnd: 0, minStart: 0, maxStart: 0 }
  return { accepted: [], borders: new Set([0]), ...bounds, truncations: 0 }
}

class History {
  readonly #random: SimRandom
  readonly #topics = new Map<string, TopicModel>()
  /** May or may not be there after the crash. */
  readonly #unsure = new Set<string>()
  readonly #deletedIds = new Set<string>()
  /** The idempotent producer's next sequence and the batch it has not been told about. */
  #sequence = 0
  #unacked: { batch: Buffer; value: string } | undefined
  #count = 0
  #lastProducerId = -1
  /** Counts crashes: what is acknowledged after one is of a world that is gone. */
  #life = 0
  checks = 0

  constructor(seed: number) {
    this.#random = new SimRandom(seed)
  }

  async live(disk: SimFileSystem): Promise<void> {
    const random = this.#random
    const store = await openOn(disk)
    await this.#resend(store)
    if (random.chance(0.8)) disk.stopAt(disk.operationCount + 1 + random.below(120))
    const running: Promise<unknown>[] = []
    for (let step = 0; step < 25; step++) {
      const work = this.#step(store).catch((error: unknown) => {
        if (!isCrash(error)) throw error
      })
      if (random.chance(0.5)) await work
      else running.push(work)
    }
    if (random.chance(0.2)) running.push(this.#close(store))
    // Else the crash comes while work is under way.
    if (random.chance(0.7)) await Promise.all(running)
  }

  async #during<T>(work: Promise<T>): Promise<T> {
    const life = this.#life
    const result = await work
    if (life !== this.#life) throw new LifeOver()
    return result
  }

  async #close(store: Store): Promise<void> {
    try {
      await this.#during(store.close())
      for (const topic of this.#topics.values()) {
        for (const log of topic.logs) log.diskEnd = log.osEnd
      }
    } catch (error) {
      if (!isCrash(error)) throw error
    }
  }

  async #step(store: Store): Promise<void> {
    const random = this.#random
    const dice = random.below(100)
    const names = [...this.#topics.keys()].filter((name) => !this.#unsure.has(name))
    if (names.length === 0 || dice < 6) return this.#create(store)
    if (dice < 8) {
      const id = await this.#during(store.allocateProducerId())
      expect(id).toBeGreaterThan(this.#lastProducerId)
      this.#lastProducerId = id
      return
    }
    const name = random.pick(names)
    const topic = this.#topics.get(name) as TopicModel
    const index = random.below(topic.logs.length)
    if (dice < 10 && name !== 'idempotent') return this.#delete(store, name, topic)
    const log = store.topic(name)?.log(index)
    const model = topic.logs[index] as LogModel
    if (log === undefined || log.state !== 'open') return
    if (name === 'idempotent') return this.#produce(log, model)
    if (dice < 70) return this.#append(log, model)
    if (dice < 78) return this.#flush(log, model)
    if (dice < 84) return log.roll()
    if (dice < 92) return this.#trim(log, model)
    return this.#truncate(log, model)
  }

  async #create(store: Store): Promise<void> {
    const name = this.#random.pick(['a', 'b', 'c', 'idempotent'])
    if (this.#topics.has(name) || this.#unsure.has(name)) return
    const partitions = name === 'idempotent' ? 1 : 1 + this.#random.below(2)
    this.#unsure.add(name)
    const topic = await this.#during(store.createTopic(name, { partitions }))
    expect(this.#deletedIds.has(topic.id)).toBe(false)
    const logs = Array.from({ length: partitions }, emptyLog)
    this.#topics.set(name, { id: topic.id, logs })
    this.#unsure.delete(name)
    if (name === 'idempotent') {
      this.#sequence = 0
      this.#unacked = undefined
    }
  }

  async #delete(store: Store, name: string, topic: TopicModel): Promise<void> {
    this.#unsure.add(name)
    await this.#during(store.deleteTopic(name))
    this.#topics.delete(name)
    this.#unsure.delete(name)
    this.#deletedIds.add(topic.id)
  }

  async #append(log: Log, model: LogModel): Promise<void> {
    const random = this.#random
    const size = 1 + random.below(4)
    const values = Array.from({ length: size }, () => this.#value())
    this.#accept(model, values)
    const timestamp = 1_000_000 + random.below(5_000)
    const level = random.pick(['os', 'disk', 'disk'] as const)
    const compression = random.pick(['none', 'none', 'lz4'] as const)
    const records = values.map((value) => ({ value, timestamp }))
    const acked = log.append(records, { level, compression })
    // What stands after the call is written: nothing yields in between.
    if (log.endOffset === model.accepted.length) model.osEnd = log.endOffset
    const { truncations } = model
    const { lastOffset } = await this.#during(acked)
    if (level === 'disk' && truncations === model.truncations) {
      model.diskEnd = Math.max(model.diskEnd, lastOffset + 1)
    }
  }

  #accept(model: LogModel, values: readonly string[]): void {
    model.accepted.push(...values)
    model.borders.add(model.accepted.length)
  }

  #value(): string {
    return `${this.#count++}-${'x'.repeat(this.#random.below(150))}`
  }

  async #flush(log: Log, model: LogModel): Promise<void> {
    const { endOffset } = log
    const { truncations } = model
    await this.#during(log.flush())
    if (truncations === model.truncations) model.diskEnd = Math.max(model.diskEnd, endOffset)
  }

  #trim(log: Log, model: LogModel): void {
    const to = log.startOffset + this.#random.below(log.endOffset - log.startOffset + 1)
    model.maxStart = Math.max(model.maxStart, to)
    log.trim(to)
  }

  #truncate(log: Log, model: LogModel): void {
    if (this.#random.chance(0.5)) return
    const to = log.startOffset + this.#random.below(log.endOffset - log.startOffset + 1)
    const border = Math.max(0, ...[...model.borders].filter((one) => one <= to))
    model.diskEnd = Math.min(model.diskEnd, border)
    model.osEnd = Math.min(model.osEnd, border)
    model.truncations++
    model.minStart = Math.min(model.minStart, border)
    log.truncate(to)
    this.#cut(model, log.endOffset)
    expect(log.endOffset).toBe(border)
  }

  #cut(model: LogModel, end: number): void {
    model.accepted.length = end
    model.borders = new Set([...model.borders].filter((border) => border <= end))
  }

  /** One batch in flight, sent again after a crash until it is acknowledged. */
  async #produce(log: Log, model: LogModel): Promise<void> {
    if (this.#unacked !== undefined) return
    const value = this.#value()
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: this.#sequence }
    const batch = clientBatch([value], { producer })
    this.#unacked = { batch, value }
    this.#accept(model, [value])
    this.#sequence++
    const { lastOffset } = appendClient(log, batch)
    model.osEnd = lastOffset + 1
    await this.#during(log.reached('disk', lastOffset + 1))
    model.diskEnd = Math.max(model.diskEnd, lastOffset + 1)
    this.#unacked = undefined
  }

  async #resend(store: Store): Promise<void> {
    const log = store.topic('idempotent')?.log(0)
    const model = this.#topics.get('idempotent')?.logs[0]
    if (log === undefined || model === undefined || this.#unacked === undefined) return
    const { batch, value } = this.#unacked
    const isThere = recordsIn(log).at(-1)?.value === value
    const again = appendClient(log, batch)
    expect(again.isDuplicate).toBe(isThere)
    if (!isThere) this.#accept(model, [value])
    await log.reached('disk', again.lastOffset + 1)
    model.osEnd = model.diskEnd = again.lastOffset + 1
    this.#unacked = undefined
  }

  /** Opens a copy of the disk, compares it with the model, and checks that recovering is stable. */
  async check(disk: SimFileSystem, crash: CrashClass | 'process'): Promise<SimFileSystem> {
    this.#life++
    const found = crash === 'process' ? disk.processCrash() : disk.crash({ class: crash })
    const store = await openOn(found)
    for (const name of [...this.#unsure]) this.#settle(store, name)
    for (const topic of store.topics()) expect(this.#topics.has(topic.name)).toBe(true)
    for (const [name, model] of this.#topics) this.#checkTopic(store, name, model, crash)
    this.checks++
    const first = describeStore(store)
    const next = this.#random.chance(0.5)
      ? found.processCrash()
      : found.crash({ class: this.#random.pick(crashClasses) })
    const again = await openOn(next)
    expect(again.leaderEpoch).toBe(store.leaderEpoch + (again.wasClean ? 0 : 1))
    const second = describeStore(again)
    expect(shortened(first, second)).toEqual(second)
    for (const [name, model] of this.#topics) this.#checkTopic(again, name, model, crash)
    this.checks++
    return next.processCrash()
  }

  #settle(store: Store, name: string): void {
    this.#unsure.delete(name)
    const topic = store.topic(name)
    const model = this.#topics.get(name)
    if (topic === undefined) {
      this.#topics.delete(name)
      if (model !== undefined) this.#deletedIds.add(model.id)
    } else if (model === undefined) {
      const logs = Array.from({ length: topic.partitionCount }, emptyLog)
      this.#topics.set(name, { id: topic.id, logs })
    }
    if (name === 'idempotent' && model === undefined) {
      this.#sequence = 0
      this.#unacked = undefined
    }
  }

  #checkTopic(store: Store, name: string, model: TopicModel, crash: string): void {
    const topic = store.topic(name)
    expect(topic?.id, `topic ${name}`).toBe(model.id)
    expect(topic?.partitionCount).toBe(model.logs.length)
    model.logs.forEach((log, index) => {
      checkLog(topic?.log(index) as Log, log, crash)
    })
  }
}

function checkLog(log: Log, model: LogModel, crash: string): void {
  const { startOffset, endOffset } = log
  const least = crash === 'process' ? model.osEnd : model.diskEnd
  expect(
    endOffset,
    `end of ${log.name} after ${crash}, disk ${model.diskEnd} os ${model.osEnd} of ${model.accepted.length}`,
  ).toBeGreaterThanOrEqual(least)
  expect(endOffset).toBeLessThanOrEqual(model.accepted.length)
  // A log that lost all but its trimmed start begins again there, in the middle of a batch or not.
  if (startOffset === endOffset) model.borders.add(endOffset)
  const shape = `${log.name} [${startOffset}, ${endOffset}) of ${[...model.borders]} after ${crash}`
  expect(model.borders.has(endOffset), shape).toBe(true)
  expect(startOffset).toBeGreaterThanOrEqual(Math.min(model.minStart, endOffset))
  expect(startOffset).toBeLessThanOrEqual(model.maxStart)
  expectDense(log)
  const values = recordsIn(log).map(({ value }) => value)
  expect(values).toEqual(model.accepted.slice(startOffset, endOffset))
  expectIndexesEqualScan(log)
  model.accepted.length = endOffset
  model.borders = new Set([...model.borders].filter((border) => border <= endOffset))
  model.osEnd = model.diskEnd = Math.min(model.diskEnd, endOffset)
  model.minStart = Math.min(model.minStart, startOffset)
}

type StoreView = Record<string, { start: number; values: string[] }>

function describeStore(store: Store): StoreView {
  const view: StoreView = {}
  for (const topic of store.topics()) {
    for (let index = 0; index < topic.partitionCount; index++) {
      const log = topic.log(index)
      const values = recordsIn(log).map(({ value }) => value)
      view[log.name] = { start: log.startOffset, values }
    }
  }
  return view
}

/** `first` cut to the length of `second`: recovered bytes that were never synced may go again. */
function shortened(first: StoreView, second: StoreView): StoreView {
  const cut = Object.entries(first).map(([name, { start, values }]) => {
    const skipped = Math.max(0, start - (second[name]?.start ?? start))
    expect(skipped).toBe(0)
    return [name, { start, values: values.slice(0, second[name]?.values.length ?? 0) }]
  })
  return Object.fromEntries(cut)
}

/** A crash, or what is said to those whose topic was deleted or whose batch was truncated away. */
function isCrash(error: unknown): boolean {
  const expected = ['ERR_CLOSED', 'ERR_TOPIC_UNKNOWN', 'ERR_OFFSET_OUT_OF_RANGE']
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SimCrash || cause instanceof LifeOver) return true
    if ('code' in cause && expected.includes(String(cause.code))) return true
  }
  return false
}

it('keeps its promises over random histories and crashes', async () => {
  const seeds =
    onlySeed === undefined ? Array.from({ length: seedCount }, (_, i) => i + 1) : [Number(onlySeed)]
  let checks = 0
  for (const seed of seeds) {
    const history = new History(seed)
    const random = new SimRandom(seed ^ 0x9e37)
    let disk = simDisk(seed)
    try {
      for (let life = 0; life < lives; life++) {
        await history.live(disk)
        disk = await history.check(disk, random.pick([...crashClasses, 'process' as const]))
      }
    } catch (error) {
      throw new Error(`seed ${seed} (STRATALOG_CRASH_SEED=${seed}): ${error}`, { cause: error })
    }
    checks += history.checks
  }
  console.log(`crash and recovery: ${checks} checks over ${seeds.length} seeds`)
})
