/**
 * An embedded store at work in a process of its own, to be killed:
 *
 *     node embedded-worker.js <directory> <seed> <life>
 *
 * Opens the directory, reports all that is in it (report-lines.ts), then works at random until it
 * is killed: appends, writers, followers, rolls, trims, flushes, topics that come and go. SIGTERM
 * makes it finish what is under way and close the store.
 */

import { SimRandom } from '../../src/platform/sim-random.ts'
import {
  type DurabilityLevel,
  type Log,
  OffsetOutOfRangeError,
  openStore,
  type Store,
} from '../../src/public.ts'
import { batchIds, formatId, idOf, largeMark, valueFor } from './numbered-value.ts'
import { reportError } from './report-error.ts'
import { monotonicUs, report } from './report-lines.ts'
import { reportStore } from './report-store.ts'

const laneCount = 6
/** Of the longest values, a batch of them still fits the smallest segment. */
const maxBatchRecords = 12
/** Bounds a life that nobody ends. */
const maxSteps = 200_000
const checkpointIntervalMs = 40
/** Waits this long after an error: on a disk that is gone every call fails at once. */
const pauseAfterErrorMs = 5

/**
 * Small segments, so that a life rolls often; one topic flushes by itself, one compresses, and one has so
 * large values that blocks are reserved ahead of its writes.
 */
const topics: Readonly<Record<string, { partitions: number; config: Record<string, string> }>> = {
  tiny: { partitions: 2, config: { 'segment.bytes': '32768', 'index.interval.bytes': '512' } },
  flushed: {
    partitions: 1,
    config: { 'segment.bytes': '65536', 'flush.messages': '40', 'flush.ms': '15' },
  },
  packed: { partitions: 1, config: { 'segment.bytes': '32768', 'compression.type': 'zstd' } },
  plain: { partitions: 1, config: { 'segment.bytes': '1048576' } },
  large: { partitions: 1, config: { 'segment.bytes': '33554432' } },
  // So many that their syncs go together.
  many: { partitions: 32, config: { 'segment.bytes': '32768' } },
}
/** Share of the steps that are about one of the many. */
const manyShare = 0.4

const [directory, seed, life] = process.argv.slice(2) as [string, string, string]

class Worker {
  readonly #store: Store
  readonly #random: SimRandom
  readonly #logs: readonly Log[]
  readonly #many: readonly Log[]
  readonly #others: readonly Log[]
  readonly #numbers = new Map<string, number>()
  #generation = 0
  #stepCount = 0
  isStopping = false

  constructor(store: Store, logs: readonly Log[], random: SimRandom) {
    this.#store = store
    this.#logs = logs
    this.#many = logs.filter((log) => log.name.startsWith('many-'))
    this.#others = logs.filter((log) => !this.#many.includes(log))
    this.#random = random
  }

  async work(): Promise<void> {
    const followers = new AbortController()
    const following = this.#follow(this.#random.pick(this.#logs), followers.signal)
    await Promise.all(Array.from({ length: laneCount }, (_, lane) => this.#lane(lane)))
    followers.abort()
    await following
  }

  async #lane(lane: number): Promise<void> {
    while (!this.isStopping && this.#stepCount++ < maxSteps) {
      const isOfMany = this.#random.chance(manyShare)
      const log = this.#random.pick(isOfMany ? this.#many : this.#others)
      try {
        await this.#step(lane, log)
      } catch (error) {
        reportError(log.name, error)
        // What was refused leaves a hole in the numbers: go on under another name.
        this.#generation++
        await new Promise((resolve) => setTimeout(resolve, pauseAfterErrorMs))
      }
      if (this.#random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #step(lane: number, log: Log): Promise<void> | void {
    const dice = this.#random.below(1000)
    if (dice < 550) return this.#append(lane, log)
    if (dice < 900) return this.#write(lane, log)
    if (dice < 930) return log.roll()
    if (dice < 950) return this.#trim(log)
    if (dice < 985) return log.flush()
    if (dice < 990) return this.#store.flush()
    return this.#churn(lane)
  }

  async #append(lane: number, log: Log): Promise<void> {
    const level = this.#level()
    const count = 1 + this.#random.below(maxBatchRecords)
    const mark = log.name.startsWith('large') ? largeMark : ''
    const { source, number } = this.#take(`a${mark}${lane}`, log, count)
    const records = batchIds(source, number, count).map((id) => ({ value: valueFor(id) }))
    const { offset, level: reached } = await log.append(records, { level })
    report('ack', log.name, reached, offset, source, number, count, true, monotonicUs())
  }

  /** Records sent one at a time; what makes a batch is the writer's choice. */
  async #write(lane: number, log: Log): Promise<void> {
    const level = this.#level()
    const writer = log.writer({
      level,
      lingerMs: this.#random.below(3),
      batchBytes: 1 + this.#random.below(8_192),
      compression: this.#random.pick(['none', 'gzip', 'lz4', 'snappy', 'zstd']),
    })
    const count = 1 + this.#random.below(2 * maxBatchRecords)
    const { source, number } = this.#take(`w${lane}`, log, count)
    const acks = Array.from({ length: count }, async (_, i) => {
      const id = formatId({ source, number: number + i, index: 0, count: 1 })
      const { offset, level: reached } = await writer.send({ key: source, value: valueFor(id) })
      report('ack', log.name, reached, offset, source, number + i, 1, false, monotonicUs())
    })
    const results = await Promise.allSettled([...acks, writer.close()])
    const refused = results.find((result) => result.status === 'rejected')
    if (refused !== undefined) throw refused.reason
  }

  #trim(log: Log): void {
    const { startOffset, endOffset } = log
    const to = startOffset + this.#random.below(endOffset - startOffset + 1)
    report('trim', log.name, to)
    log.trim(to)
  }

  /** A topic that comes and goes; both are durable when acknowledged. */
  async #churn(lane: number): Promise<void> {
    const topic = `churn-${life}-${lane}-${this.#take('t', undefined, 1).number}`
    report('create', topic)
    await this.#store.createTopic(topic, { partitions: 1 + this.#random.below(2) })
    report('created', topic)
    if (this.#random.chance(0.3)) return
    report('delete', topic)
    await this.#store.deleteTopic(topic)
    report('deleted', topic)
  }

  async #follow(log: Log, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let due = log.endOffset as number
      try {
        for await (const record of log.follow({ from: due, signal })) {
          if (record.offset !== due || idOf(String(record.value)) === undefined) {
            report('fault', `${log.name}: a follower got ${record.offset} where ${due} was due`)
            return
          }
          due++
        }
      } catch (error) {
        // A trim has overtaken it.
        if (!(error instanceof OffsetOutOfRangeError)) {
          reportError(log.name, error)
          return
        }
      }
    }
  }

  #level(): DurabilityLevel {
    return this.#random.pick(['os', 'disk', 'disk'])
  }

  /** The next `count` numbers of a source; each pair of source and log counts for itself. */
  #take(name: string, log: Log | undefined, count: number): { source: string; number: number } {
    const source = `${life}.${this.#generation}.${name}`
    const key = `${source} ${log?.name}`
    const number = this.#numbers.get(key) ?? 0
    this.#numbers.set(key, number + count)
    return { source, number }
  }
}

async function openLogs(store: Store): Promise<Log[]> {
  const logs: Log[] = []
  for (const [name, spec] of Object.entries(topics)) {
    if (store.topic(name) === undefined) {
      report('create', name)
      await store.createTopic(name, spec)
      report('created', name)
    }
    for (let partition = 0; partition < spec.partitions; partition++) {
      logs.push(await store.log(name, { partition }))
    }
  }
  return logs
}

async function main(): Promise<void> {
  const store = await openStore(directory, { checkpointIntervalMs })
  report('opened', store.wasClean)
  await reportStore(store)
  report('found')
  const worker = new Worker(store, await openLogs(store), new SimRandom(Number(seed)))
  process.once('SIGTERM', () => {
    worker.isStopping = true
  })
  report('loaded')
  await worker.work()
  await store.close()
  report('closed')
}

await main().catch((error) => {
  reportError('-', error)
  process.exitCode = 1
})
