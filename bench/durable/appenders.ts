/**
 * Concurrent appenders of one process: each appends a record, waits until it is durable, and goes
 * on. After the measured time the store is closed, opened again and counted.
 */
import { diskCounters } from '../support/disk-counters.ts'
import { seededValues } from '../support/seeded.ts'
import { type Latency, latencyOf } from '../support/statistics.ts'
import { type DurableEngine, type DurableEngineName, makeDurableEngine } from './durable-engine.ts'

export type AppendLoad = {
  appenders: number
  valueBytes: number
  warmUpMs: number
  measuredMs: number
}

export type AppendMeasures = {
  recordsPerSecond: number
  ack: Latency
  cpuUsPerRecord: number
  /** Undefined where the kernel does not count. */
  diskBytesPerRecord: number | undefined
  deviceFlushesPerRecord: number | undefined
}

/** Runs the load in an empty directory. Throws when fewer or more records are there afterwards. */
export async function measureAppenders(
  name: DurableEngineName,
  directory: string,
  load: AppendLoad,
): Promise<AppendMeasures> {
  const values = seededValues(load.appenders, load.valueBytes, 1)
  const engine = await makeDurableEngine(name)
  await engine.open(directory, load.appenders)
  const warmUp = await appendFor(load.warmUpMs, engine, values)

  const countersBefore = diskCounters(directory)
  const cpuBefore = process.cpuUsage()
  const { samples, seconds } = await appendFor(load.measuredMs, engine, values)
  const { user, system } = process.cpuUsage(cpuBefore)
  const countersAfter = diskCounters(directory)

  await engine.close()
  await engine.open(directory, load.appenders)
  const expected = warmUp.samples.length + samples.length
  const found = await engine.count()
  await engine.close()
  if (found !== expected) throw new Error(`${name} holds ${found} of ${expected} records`)

  const perRecord = (counter: 'writtenBytes' | 'deviceFlushes') =>
    countersBefore === undefined || countersAfter === undefined
      ? undefined
      : (countersAfter[counter] - countersBefore[counter]) / samples.length
  return {
    recordsPerSecond: samples.length / seconds,
    ack: latencyOf(samples),
    cpuUsPerRecord: (user + system) / samples.length,
    diskBytesPerRecord: perRecord('writtenBytes'),
    deviceFlushesPerRecord: perRecord('deviceFlushes'),
  }
}

/** All appenders, for about `durationMs`: ms of each append, and how long it took together. */
async function appendFor(
  durationMs: number,
  engine: DurableEngine,
  values: readonly Buffer[],
): Promise<{ samples: Float64Array; seconds: number }> {
  let samples = new Float64Array(1 << 16)
  let count = 0
  const start = performance.now()
  const end = start + durationMs
  await Promise.all(
    values.map(async (value, appender) => {
      for (let before = performance.now(); before < end; ) {
        await engine.append(appender, value)
        const now = performance.now()
        if (count === samples.length) {
          const larger = new Float64Array(2 * count)
          larger.set(samples)
          samples = larger
        }
        samples[count++] = now - before
        before = now
      }
    }),
  )
  const seconds = (performance.now() - start) / 1000
  return { samples: samples.slice(0, count), seconds }
}
