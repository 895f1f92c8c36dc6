/**
 * Many logs in one store, one measurement at a time: each needs a process of its own, with
 * `--expose-gc` where memory is measured.
 */
import { readdirSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { type Log, openStore, type Store } from '../../src/public.ts'
import { seededValues } from '../support/seeded.ts'
import { median } from '../support/statistics.ts'

export type ManyLogsLoad = {
  /** Every topic has this many partitions, each of which is a log. */
  topics: number
  partitions: number
  /** What every log holds before anything is measured. */
  recordsPerLog: number
  valueBytes: number
}

export type Created = { createMs: number; firstAppendsMs: number; closeMs: number }

/** Makes the topics, some at a time, puts data into every log, and closes cleanly. */
export async function createLogs(directory: string, load: ManyLogsLoad): Promise<Created> {
  const store = await openStore(directory)
  const createStart = performance.now()
  const names = topicNames(load)
  const maker = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      await store.createTopic(name, { partitions: load.partitions })
    }
  }
  await Promise.all(Array.from({ length: 64 }, maker))
  const createMs = performance.now() - createStart
  const values = seededValues(load.recordsPerLog, load.valueBytes, 1)
  const appendStart = performance.now()
  for (const log of await allLogs(store, load)) await log.append(values, { level: 'os' })
  const firstAppendsMs = performance.now() - appendStart
  const closeStart = performance.now()
  await store.close()
  return { createMs, firstAppendsMs, closeMs: performance.now() - closeStart }
}

export type Opened = {
  /** `openStore` and the first append to one log at level `os`. */
  openMs: number
  /** Opening each of the other logs: looking up where it ends. */
  touchAllMs: number
  residentBytesPerLog: number
  heapBytesPerLog: number
  openFiles: number
  closeMs: number
}

/** What it costs to open the store, and what each open and idle log costs from there on. */
export async function measureOpen(
  directory: string,
  load: ManyLogsLoad,
  earlierOpenings: number,
): Promise<Opened> {
  const start = performance.now()
  const store = await openStore(directory)
  const first = await store.log(topicName(0))
  await first.append(Buffer.alloc(load.valueBytes), { level: 'os' })
  const openMs = performance.now() - start

  const before = await usedMemory()
  const touchStart = performance.now()
  const logs = await allLogs(store, load)
  let sum = 0
  for (const log of logs) sum += log.endOffset
  const touchAllMs = performance.now() - touchStart
  const count = logs.length
  const expected = count * load.recordsPerLog + earlierOpenings + 1
  if (sum !== expected) throw new Error(`the logs hold ${sum} records`)
  logs.length = 0
  const after = await usedMemory()
  const openFiles = openFileCount()
  const closeStart = performance.now()
  await store.close()
  return {
    openMs,
    touchAllMs,
    residentBytesPerLog: (after.residentBytes - before.residentBytes) / count,
    heapBytesPerLog: (after.heapBytes - before.heapBytes) / count,
    openFiles,
    closeMs: performance.now() - closeStart,
  }
}

export type AppendTurns = {
  level: 'os' | 'disk'
  appenders: number
  turnMs: number
  turns: number
}
export type AppendRates = {
  manyPerSecond: number
  onePerSecond: number
  ratio: number
  openFiles: number
}

/**
 * One record an append: round-robin over all logs, and to one log, in turn; the ratio is the median of
 * those of neighbouring turns. Every log was appended to before it counts.
 */
export async function measureAppends(
  directory: string,
  load: ManyLogsLoad,
  { level, appenders, turnMs, turns }: AppendTurns,
): Promise<AppendRates> {
  const store = await openStore(directory)
  const logs = await allLogs(store, load)
  const one = [logs[0]!]
  const value = Buffer.alloc(load.valueBytes, 1)
  // A first round, so that no file is opened and no block of the disk looked for later.
  for (const log of logs) await log.append(value, { level: 'os' })
  await appendFor(turnMs, logs, value, level, appenders)
  await appendFor(turnMs, one, value, level, appenders)
  const many: number[] = []
  const single: number[] = []
  for (let i = 0; i < turns; i++) {
    many.push(await appendFor(turnMs, logs, value, level, appenders))
    single.push(await appendFor(turnMs, one, value, level, appenders))
  }
  const openFiles = openFileCount()
  await store.close()
  return {
    manyPerSecond: median(many),
    onePerSecond: median(single),
    ratio: median(many.map((rate, i) => rate / single[i]!)),
    openFiles,
  }
}

async function appendFor(
  durationMs: number,
  logs: readonly Log[],
  value: Buffer,
  level: 'os' | 'disk',
  appenders: number,
): Promise<number> {
  const options = { level } as const
  const start = performance.now()
  const end = start + durationMs
  let count = 0
  let next = 0
  const appender = async (): Promise<void> => {
    for (let now = start; now < end; ) {
      // At level os a look at the clock costs a part of what an append does.
      for (let i = 0; i < (level === 'os' ? 64 : 1); i++) {
        await logs[next]!.append(value, options)
        next = next + 1 === logs.length ? 0 : next + 1
        count++
      }
      now = performance.now()
    }
  }
  await Promise.all(Array.from({ length: appenders }, appender))
  return (count / (performance.now() - start)) * 1000
}

/** Appends a record to every log and says so; the caller kills the process then. */
export async function dirtyAll(directory: string, load: ManyLogsLoad): Promise<Store> {
  const store = await openStore(directory)
  const value = Buffer.alloc(load.valueBytes, 2)
  for (const log of await allLogs(store, load)) await log.append(value, { level: 'os' })
  return store
}

export type Recovered = { openMs: number; logs: number }

export async function measureRecovery(directory: string, load: ManyLogsLoad): Promise<Recovered> {
  const start = performance.now()
  const store = await openStore(directory)
  const openMs = performance.now() - start
  if (store.wasClean) throw new Error('the stop was a clean one')
  const logs = await allLogs(store, load)
  await store.close()
  return { openMs, logs: logs.length }
}

function topicName(topic: number): string {
  return `topic-${topic}`
}

function topicNames({ topics }: ManyLogsLoad): string[] {
  return Array.from({ length: topics }, (_, topic) => topicName(topic)).reverse()
}

async function allLogs(store: Store, { topics, partitions }: ManyLogsLoad): Promise<Log[]> {
  const logs: Log[] = []
  for (let topic = 0; topic < topics; topic++) {
    for (let partition = 0; partition < partitions; partition++) {
      logs.push(await store.log(topicName(topic), { partition }))
    }
  }
  return logs
}

async function usedMemory(): Promise<{ residentBytes: number; heapBytes: number }> {
  // Several times: what finalizers release goes with the next collection.
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
    await turn()
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { residentBytes: rss, heapBytes: heapUsed + external }
}

/** Descriptors of this process; NaN where the kernel does not tell. */
function openFileCount(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return Number.NaN
  }
}
