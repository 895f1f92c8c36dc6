/**
 * The engines on one workload, each run a process of its own on an empty directory, in turn (A B C
 * A B C …): measures by round, as rows of results and as ratios.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inDataDirectory } from '../support/data-directory.ts'
import { type Metric, metric, type ResultRow } from '../support/results.ts'
import { type Latency, median } from '../support/statistics.ts'
import { figure } from '../support/table.ts'
import { atLeast, type Target } from '../support/target.ts'
import { runChronicle } from './chronicle/run-chronicle.ts'
import { type EngineName, engineNames } from './engine.ts'
import { type Measures, shareOf, type Workload } from './workload.ts'

const runTimeoutMs = 60_000

export type Comparison = {
  readonly workload: Workload
  /** One entry per round for each engine that ran. */
  readonly runs: ReadonlyMap<EngineName, readonly Measures[]>
  readonly skipped: readonly string[]
}

export async function compareEngines(workload: Workload, rounds: number): Promise<Comparison> {
  const runs = new Map<EngineName, Measures[]>()
  const skipped = new Map<EngineName, string>()
  for (let round = 0; round < rounds; round++) {
    for (const name of engineNames) {
      if (skipped.has(name)) continue
      const outcome = await inDataDirectory(name, { tiny: false }, (directory) =>
        runInOwnProcess(name, directory, shareOf(name, workload)),
      )
      if (typeof outcome === 'string') skipped.set(name, outcome)
      else runs.set(name, [...(runs.get(name) ?? []), outcome])
    }
  }
  // An engine that failed in a later round is left out whole: rounds are compared pairwise.
  for (const name of skipped.keys()) runs.delete(name)
  return { workload, runs, skipped: [...skipped].map(([name, reason]) => `${name} [${reason}]`) }
}

/** The measures, or why there are none. Ours must run; a peer may be missing. */
function runInOwnProcess(
  name: EngineName,
  directory: string,
  workload: Workload,
): Measures | string {
  if (name === 'chronicle-queue') return runChronicle(directory, workload, runTimeoutMs)
  const script = fileURLToPath(new URL('./run-engine.js', import.meta.url))
  const result = spawnSync(process.execPath, [script, name, directory, JSON.stringify(workload)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
  })
  if (result.status === 0) return JSON.parse(result.stdout) as Measures
  const lines = result.stderr.split('\n')
  const reason = lines.find((line) => /^\w*Error\b/.test(line)) ?? `took over ${runTimeoutMs} ms`
  if (name === 'stratalog') throw new Error(`the stratalog run failed: ${result.stderr}`)
  return reason
}

export function comparisonRows({ workload, runs }: Comparison): ResultRow[] {
  const { valueBytes, batchRecords } = workload
  const values = `${valueBytes} B`
  const table = (
    name: string,
    kept: string,
    metricsOf: (runs: readonly Measures[]) => ResultRow['metrics'] | undefined,
  ): ResultRow[] =>
    [...runs].flatMap(([peer, ofPeer]) => {
      const metrics = metricsOf(ofPeer)
      return metrics === undefined
        ? []
        : [{ workload: name, peer, class: kept, pinned: false, metrics }]
    })
  return [
    ...table(`append ${values}, batches of ${batchRecords}`, 'os', (of) => ({
      'records/s': picked(of, (run) => run.appendRecordsPerSecond, 'records/s'),
      'MB/s': picked(of, (run) => run.appendMBPerSecond, 'MB/s'),
      CPU: picked(of, (run) => run.appendCpuNs, cpuUnit),
      ...latencyMetrics('batch', of, (run) => run.appendBatch),
      disk: picked(of, (run) => run.diskBytesPerRecord, 'B/record'),
      memory: picked(of, (run) => run.peakMemoryBytes / 1e6, 'MB'),
    })),
    ...table(`append ${values}, one record, awaited`, 'os', (of) =>
      latencyMetrics('append', of, (run) => run.appendSingle),
    ),
    ...table(`send ${values}, one record with a promise, 1,000 under way`, 'os', (of) =>
      of.some((run) => run.sendsPerSecond === undefined)
        ? undefined
        : {
            'records/s': picked(of, (run) => run.sendsPerSecond!, 'records/s'),
            CPU: picked(of, (run) => run.sendCpuNs!, cpuUnit),
          },
    ),
    ...table(`read ${values} in order`, '-', (of) => ({
      'records/s': picked(of, (run) => run.readRecordsPerSecond, 'records/s'),
      'MB/s': picked(of, (run) => run.readMBPerSecond, 'MB/s'),
      CPU: picked(of, (run) => run.readCpuNs, cpuUnit),
    })),
    ...table(`read ${values} in order, for await`, '-', (of) =>
      of.some((run) => run.iterateRecordsPerSecond === undefined)
        ? undefined
        : {
            'records/s': picked(of, (run) => run.iterateRecordsPerSecond!, 'records/s'),
            CPU: picked(of, (run) => run.iterateCpuNs!, cpuUnit),
          },
    ),
    ...table(`read 100 records of ${values} at a random place`, '-', (of) =>
      latencyMetrics('read', of, (run) => run.readHundred),
    ),
  ]
}

const cpuUnit = 'ns/record'

function picked<Run>(runs: readonly Run[], pick: (run: Run) => number, unit: string): Metric {
  return metric(runs.map(pick), unit)
}

export function latencyMetrics<Run>(
  what: string,
  runs: readonly Run[],
  pick: (run: Run) => Latency,
): ResultRow['metrics'] {
  return {
    [`${what} p50`]: picked(runs, (run) => pick(run).p50Us, 'µs'),
    [`${what} p99`]: picked(runs, (run) => pick(run).p99Us, 'µs'),
    [`${what} p99.9`]: picked(runs, (run) => pick(run).p999Us, 'µs'),
  }
}

/** How often per second a run does something, and what CPU one record costs it. */
type Work = {
  readonly perSecond: (run: Measures) => number
  readonly cpuNs: (run: Measures) => number
}

const appends: Work = {
  perSecond: (run) => run.appendRecordsPerSecond,
  cpuNs: (run) => run.appendCpuNs,
}
const sends: Work = {
  perSecond: (run) => run.sendsPerSecond ?? Number.NaN,
  cpuNs: (run) => run.sendCpuNs ?? Number.NaN,
}
const reads: Work = { perSecond: (run) => run.readRecordsPerSecond, cpuNs: (run) => run.readCpuNs }
const iterations: Work = {
  perSecond: (run) => run.iterateRecordsPerSecond ?? Number.NaN,
  cpuNs: (run) => run.iterateCpuNs ?? Number.NaN,
}

type Wanted = {
  readonly what: string
  readonly peer: EngineName
  readonly times: number
  readonly ours: Work
  readonly theirs: Work
}

/** What is promised of 100-byte records. */
const wanted: readonly Wanted[] = [
  { what: 'append, of lmdb put', peer: 'lmdb-put', times: 8, ours: appends, theirs: appends },
  {
    what: 'append, of better-sqlite3',
    peer: 'better-sqlite3',
    times: 10,
    ours: appends,
    theirs: appends,
  },
  {
    what: 'append, of classic-level',
    peer: 'classic-level',
    times: 10,
    ours: appends,
    theirs: appends,
  },
  {
    what: 'append, of Chronicle Queue',
    peer: 'chronicle-queue',
    times: 1.5,
    ours: appends,
    theirs: appends,
  },
  { what: 'writer.send, of lmdb put', peer: 'lmdb-put', times: 2, ours: sends, theirs: sends },
  { what: 'cursor, of lmdb getRange', peer: 'lmdb-put', times: 20, ours: reads, theirs: reads },
  {
    what: 'for await, of lmdb getRange',
    peer: 'lmdb-put',
    times: 4,
    ours: iterations,
    theirs: reads,
  },
]

/** Ratios of rates by pairs of rounds; the same of CPU per record is told beside them. */
export function comparisonTargets({ runs, workload }: Comparison): Target[] {
  const ours = runs.get('stratalog')!
  const values = `${workload.valueBytes} B`
  const rate = median(ours.map(appends.perSecond))
  return [
    atLeast(`${values}: append, M records/s`, rate / 1e6, 10, {
      unit: 'M/s',
      from: `the median of ${ours.length} rounds`,
    }),
    ...wanted.map((target) => {
      const theirs = runs.get(target.peer) ?? []
      const what = `${values}: ${target.what}`
      if (theirs.length === 0) return atLeast(what, Number.NaN, target.times, { from: 'not run' })
      const rates = [
        figure(median(ours.map(target.ours.perSecond))),
        figure(median(theirs.map(target.theirs.perSecond))),
      ]
      const found = medianRatio(
        ours.map(target.ours.perSecond),
        theirs.map(target.theirs.perSecond),
      )
      const cpu = medianRatio(theirs.map(target.theirs.cpuNs), ours.map(target.ours.cpuNs))
      const from = `${rates.join(' / ')} records/s; by CPU ${cpu.toFixed(1)} ×`
      return atLeast(what, found, target.times, { from })
    }),
  ]
}

/** The median over the rounds of what one is of the other. */
function medianRatio(ones: readonly number[], others: readonly number[]): number {
  return median(ones.map((one, round) => one / others[round]!))
}
