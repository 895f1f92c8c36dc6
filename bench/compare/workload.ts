/**
 * The one piece of work that every engine does, and what is measured of it:
 *
 * 1. append `records` values and more in batches of `batchRecords`. The first `warmUpBatches` and those
 *    of the first `steadyMs` are not timed: in them the code is compiled and the files get their first
 *    blocks. The others are, for `steadyMs` at least;
 * 2. close and open again;
 * 3. read `records` values in order, pass after pass: those of the first `steadyMs` warm up the code and
 *    do not count, and of those in the next `steadyMs` the mean does; each time one pass at least;
 * 4. where the engine has that, the same an object a record;
 * 5. read 100 values from random places, each read timed;
 * 6. append single values, each append timed;
 * 7. where the engine has promises, send single values, 1,000 under way at a time.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom, seededValues } from '../support/seeded.ts'
import { type Latency, latencyOf } from '../support/statistics.ts'
import {
  type Engine,
  type EngineName,
  makeEngine,
  type NodeEngineName,
  type ReadTotals,
} from './engine.ts'

export type Workload = {
  records: number
  valueBytes: number
  batchRecords: number
  warmUpBatches: number
  singleAppends: number
  sends: number
  randomReads: number
  /** For how long at least the code is warmed up, and then measured, in ms. */
  steadyMs: number
}

/**
 * What an engine of the workload is given: hypercore signs every append and is 20 to 100 times slower
 * than the others, so it does a fortieth of the work. Rates and latencies stay comparable.
 */
export function shareOf(name: EngineName, workload: Workload): Workload {
  if (name !== 'hypercore') return workload
  const { batchRecords, valueBytes } = workload
  const part = (count: number) => Math.ceil(count / 40)
  return {
    batchRecords,
    valueBytes,
    records: part(workload.records / batchRecords) * batchRecords,
    warmUpBatches: part(workload.warmUpBatches),
    singleAppends: part(workload.singleAppends),
    sends: part(workload.sends),
    randomReads: part(workload.randomReads),
    steadyMs: workload.steadyMs,
  }
}

export type Measures = {
  engine: EngineName
  appendRecordsPerSecond: number
  appendMBPerSecond: number
  /** User and system time of all threads, per record. */
  appendCpuNs: number
  appendBatch: Latency
  appendSingle: Latency
  /** Not there for an engine without promises. */
  sendsPerSecond?: number
  sendCpuNs?: number
  readRecordsPerSecond: number
  readMBPerSecond: number
  readCpuNs: number
  /** Not there where the read above is this one. */
  iterateRecordsPerSecond?: number
  iterateCpuNs?: number
  readHundred: Latency
  openMs: number
  /** Bytes of disk the files occupy after the ordered read, and the process's largest memory. */
  diskBytesPerRecord: number
  peakMemoryBytes: number
  sum: number
}

const readAtOnce = 100
const sendAtOnce = 1000

/** CPU time of the whole process, in ns, so far: it tells less of what else the machine does. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Runs the workload in an empty directory. Throws when what is read is not what was appended. */
export async function measure(
  name: NodeEngineName,
  directory: string,
  workload: Workload,
): Promise<Measures> {
  const { records, valueBytes } = workload
  const values = seededValues(workload.batchRecords, valueBytes, 1)
  const engine = await makeEngine(name)
  await engine.open(directory)
  const append = await appendAll(engine, values, workload)
  await engine.close()

  const openStart = performance.now()
  await engine.open(directory)
  const openMs = performance.now() - openStart
  const readOrdered = (from: number, count: number) => engine.read(from, count)
  const read = await readWarm(engine, readOrdered, workload, values)
  const iterated = await iterateAll(engine, workload, values)
  const diskBytesPerRecord = occupied(directory) / append.appended
  const readHundred = await readRandomly(engine, workload)
  const appendSingle = await appendSingly(engine, values, workload.singleAppends)
  const sent = await sendAll(engine, values, workload.sends)
  await engine.close()

  return {
    engine: name,
    appendRecordsPerSecond: append.recordsPerSecond,
    appendMBPerSecond: (append.recordsPerSecond * valueBytes) / 1e6,
    appendBatch: append.latency,
    appendCpuNs: append.cpuNsPerRecord,
    appendSingle,
    ...sent,
    ...iterated,
    readRecordsPerSecond: records / read.seconds,
    readMBPerSecond: (records * valueBytes) / 1e6 / read.seconds,
    readCpuNs: read.cpuNsPerRecord,
    readHundred,
    openMs,
    diskBytesPerRecord,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    sum: read.totals.sum,
  }
}

async function appendAll(engine: Engine, values: readonly Buffer[], workload: Workload) {
  const { records, warmUpBatches, steadyMs } = workload
  const warmUp = await appendBatches(engine, values, warmUpBatches, steadyMs)
  const cpuBefore = cpuNs()
  const timed = await appendBatches(
    engine,
    values,
    records / values.length - warmUpBatches,
    steadyMs,
  )
  const timedRecords = timed.length * values.length
  const seconds = timed.reduce((sum, ms) => sum + ms, 0) / 1000
  return {
    recordsPerSecond: timedRecords / seconds,
    cpuNsPerRecord: (cpuNs() - cpuBefore) / timedRecords,
    latency: latencyOf(Float64Array.from(timed)),
    appended: (warmUp.length + timed.length) * values.length,
  }
}

/** At least `count` batches, and as many as take `minMs`. @returns ms of each. */
async function appendBatches(
  engine: Engine,
  values: readonly Buffer[],
  count: number,
  minMs: number,
): Promise<number[]> {
  const samples: number[] = []
  const start = performance.now()
  let before = start
  while (samples.length < count || before - start < minMs) {
    await engine.append(values)
    const now = performance.now()
    samples.push(now - before)
    before = now
  }
  return samples
}

async function iterateAll(engine: Engine, workload: Workload, values: readonly Buffer[]) {
  if (engine.iterate === undefined) return undefined
  const iterate = (from: number, count: number) => engine.iterate!(from, count)
  const { seconds, cpuNsPerRecord } = await readWarm(engine, iterate, workload, values)
  return { iterateRecordsPerSecond: workload.records / seconds, iterateCpuNs: cpuNsPerRecord }
}

/** Seconds and CPU time of a pass when the code is warm. */
async function readWarm(
  engine: Engine,
  read: Engine['read'],
  workload: Workload,
  values: readonly Buffer[],
) {
  const pass = () => readAll(engine, read, workload, values)
  await passes(workload.steadyMs, pass)
  const measured = await passes(workload.steadyMs, pass)
  const mean = (of: (one: Pass) => number) =>
    measured.reduce((sum, one) => sum + of(one), 0) / measured.length
  return {
    seconds: mean(({ seconds }) => seconds),
    cpuNsPerRecord: mean(({ cpuNsPerRecord }) => cpuNsPerRecord),
    totals: measured[0]!.totals,
  }
}

type Pass = Awaited<ReturnType<typeof readAll>>

/** One pass, and others until `minMs` have gone by. */
async function passes(minMs: number, pass: () => Promise<Pass>): Promise<Pass[]> {
  const done: Pass[] = []
  const end = performance.now() + minMs
  do done.push(await pass())
  while (performance.now() < end)
  return done
}

async function readAll(
  engine: Engine,
  read: Engine['read'],
  workload: Workload,
  values: readonly Buffer[],
) {
  const cpuBefore = cpuNs()
  const start = performance.now()
  const totals = await read(0, workload.records)
  const seconds = (performance.now() - start) / 1000
  const cpuNsPerRecord = (cpuNs() - cpuBefore) / workload.records
  const sumOfBatch = values.reduce((sum, value) => sum + value[0]!, 0)
  expectTotals(engine.name, totals, {
    records: workload.records,
    bytes: workload.records * workload.valueBytes,
    sum: sumOfBatch * (workload.records / values.length),
  })
  return { seconds, cpuNsPerRecord, totals }
}

async function readRandomly(engine: Engine, workload: Workload): Promise<Latency> {
  const random = seededRandom(2)
  const samples = new Float64Array(workload.randomReads)
  for (let i = 0; i < samples.length; i++) {
    const from = Math.floor(random() * (workload.records - readAtOnce))
    const start = performance.now()
    const { records, bytes } = await engine.read(from, readAtOnce)
    samples[i] = performance.now() - start
    if (records !== readAtOnce || bytes !== readAtOnce * workload.valueBytes) {
      throw new Error(`${engine.name} read ${records} values from ${from} instead of ${readAtOnce}`)
    }
  }
  return latencyOf(samples)
}

async function appendSingly(engine: Engine, values: readonly Buffer[], count: number) {
  const singles = values.map((value) => [value])
  const samples = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await engine.append(singles[i % singles.length]!)
    samples[i] = performance.now() - start
  }
  return latencyOf(samples)
}

/** The first tenth is not counted. */
async function sendAll(engine: Engine, values: readonly Buffer[], count: number) {
  if (engine.send === undefined) return undefined
  const send = async (first: number, end: number) => {
    for (let at = first; at < end; at += sendAtOnce) {
      const length = Math.min(sendAtOnce, end - at)
      // No Array.from: for an object with a length it costs more than a promise does.
      const sent: Promise<unknown>[] = []
      for (let i = 0; i < length; i++) sent.push(engine.send!(values[(at + i) % values.length]!))
      await Promise.all(sent)
    }
  }
  const warm = Math.ceil(count / 10)
  await send(0, warm)
  const cpuBefore = cpuNs()
  const start = performance.now()
  await send(warm, count)
  const seconds = (performance.now() - start) / 1000
  const timed = count - warm
  return { sendsPerSecond: timed / seconds, sendCpuNs: (cpuNs() - cpuBefore) / timed }
}

function expectTotals(name: EngineName, found: ReadTotals, expected: ReadTotals): void {
  if (
    found.records === expected.records &&
    found.bytes === expected.bytes &&
    found.sum === expected.sum
  ) {
    return
  }
  throw new Error(`${name} read ${JSON.stringify(found)}: expected ${JSON.stringify(expected)}`)
}

/** Blocks taken on disk by all files below `directory`, in bytes: sparse files count as stored. */
export function occupied(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
  }
  return bytes
}
