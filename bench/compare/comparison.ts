/**
 * The engines on one workload, each run a process of its own on an empty directory, in turn (A B C
 * A B C …): measures by round, as rows of results and as ratios.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inDataDirectory } from '../support/data-directory.ts'
import { metric, type ResultRow } from '../support/results.ts'
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
      'records/s': ratesOf(of, (run) => run.appendRecordsPerSecond),
      'MB/s': metric(
        of.map((run) => run.appendMBPerSecond),
        'MB/s',
      ),
      ...latencyMetrics(
        'batch',
        of.map((run) => run.appendBatch),
      ),
      disk: metric(
        of.map((run) => run.diskBytes / 1e6),
        'MB',
      ),
      memory: metric(
        of.map((run) => run.peakMemoryBytes / 1e6),
        'MB',
      ),
    })),
    ...table(`append ${values}, one record, awaited`, 'os', (of) =>
      latencyMetrics(
        'append',
        of.map((run) => run.appendSingle),
      ),
    ),
    ...table(`send ${values}, one record with a promise, 1,000 under way`, 'os', (of) =>
      optionalRates(of, (run) => run.sendsPerSecond),
    ),
    ...table(`read ${values} in order`, '-', (of) => ({
      'records/s': ratesOf(of, (run) => run.readRecordsPerSecond),
      'MB/s': metric(
        of.map((run) => run.readMBPerSecond),
        'MB/s',
      ),
    })),
    ...table(`read ${values} in order, for await`, '-', (of) =>
      optionalRates(of, (run) => run.iterateRecordsPerSecond),
    ),
    ...table(`read 100 records of ${values} at a random place`, '-', (of) =>
      latencyMetrics(
        'read',
        of.map((run) => run.readHundred),
      ),
    ),
  ]
}

function ratesOf(runs: readonly Measures[], pick: (run: Measures) => number) {
  return metric(runs.map(pick), 'records/s')
}

function optionalRates(
  runs: readonly Measures[],
  pick: (run: Measures) => number | undefined,
): ResultRow['metrics'] | undefined {
  const values = runs.map(pick)
  if (values.includes(undefined)) return undefined
  return { 'records/s': metric(values as number[], 'records/s') }
}

export function latencyMetrics(what: string, of: readonly Latency[]): ResultRow['metrics'] {
  return {
    [`${what} p50`]: metric(
      of.map(({ p50Us }) => p50Us),
      'µs',
    ),
    [`${what} p99`]: metric(
      of.map(({ p99Us }) => p99Us),
      'µs',
    ),
    [`${what} p99.9`]: metric(
      of.map(({ p999Us }) => p999Us),
      'µs',
    ),
  }
}

type Wanted = {
  readonly what: string
  readonly peer: EngineName
  readonly times: number
  readonly ours: (run: Measures) => number
  readonly theirs: (run: Measures) => number
}

const appends = (run: Measures) => run.appendRecordsPerSecond
const sends = (run: Measures) => run.sendsPerSecond ?? Number.NaN
const cursorReads = (run: Measures) => run.readRecordsPerSecond
const iteratedReads = (run: Measures) => run.iterateRecordsPerSecond ?? Number.NaN

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
  {
    what: 'cursor, of lmdb getRange',
    peer: 'lmdb-put',
    times: 20,
    ours: cursorReads,
    theirs: cursorReads,
  },
  {
    what: 'for await, of lmdb getRange',
    peer: 'lmdb-put',
    times: 4,
    ours: iteratedReads,
    theirs: cursorReads,
  },
]

export function comparisonTargets({ runs, workload }: Comparison): Target[] {
  const ours = runs.get('stratalog')!
  const values = `${workload.valueBytes} B`
  const rate = median(ours.map(appends))
  return [
    atLeast(`${values}: append, M records/s`, rate / 1e6, 10, {
      unit: 'M/s',
      from: `the median of ${ours.length} rounds`,
    }),
    ...wanted.map(({ what, peer, times, ours: pickOurs, theirs: pickTheirs }) => {
      const theirs = runs.get(peer) ?? []
      const ratios = theirs.map((run, round) => pickOurs(ours[round]!) / pickTheirs(run))
      const from =
        theirs.length === 0
          ? 'not run'
          : `${figure(median(ours.map(pickOurs)))} / ${figure(median(theirs.map(pickTheirs)))} records/s, by pairs`
      const found = ratios.length === 0 ? Number.NaN : median(ratios)
      return atLeast(`${values}: ${what}`, found, times, { from })
    }),
  ]
}
