// Question  How fast does a log append and read beside the embedded engines of the Node world?
// Workload  random values of 100 B and 1 KiB, fixed seed, appended in batches of 1,000 to the
//           kernel (level os, nothing synced), read back in order; see compare/workload.ts.
// Measures  records/s, MB/s, and p50/p99/p99.9 of one batch, of one single append and of a read of
//           100 records. Every run is a process of its own on an empty directory; engines alternate
//           (A B C A B C …) and the median over the rounds counts. Reads find the pages cached.
//           Not: durable appends, compression, the network.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type EngineName, engineNames } from './compare/engine.ts'
import { type Measures, measure, type Workload } from './compare/workload.ts'
import { machineLine, repositoryRoot, warmMemory } from './support/machine.ts'
import { type Latency, median } from './support/statistics.ts'
import { figure, printTable } from './support/table.ts'

const measured = { batchRecords: 1000, singleAppends: 20_000, randomReads: 2000 }
const workloads: readonly Workload[] = [
  { records: 1_200_000, valueBytes: 100, warmUpBatches: 200, ...measured },
  { records: 250_000, valueBytes: 1024, warmUpBatches: 50, ...measured },
]
const rounds = 3
const runTimeoutMs = 60_000

const tinyWorkload: Workload = {
  records: 1000,
  valueBytes: 100,
  batchRecords: 100,
  warmUpBatches: 1,
  singleAppends: 10,
  randomReads: 10,
}

type Comparison = { workload: Workload; engines: Measures[]; skipped: string[] }

/** Tiny: our engine alone, in this process. Else the whole comparison, printed and written down. */
export async function run({ tiny }: { tiny: boolean }): Promise<Measures[] | undefined> {
  if (tiny) {
    const directory = mkdtempSync(join(tmpdir(), 'stratalog-bench-'))
    try {
      return [await measure('stratalog', directory, tinyWorkload)]
    } finally {
      rmSync(directory, { recursive: true })
    }
  }
  warmMemory()
  const comparisons = workloads.map(compare)
  for (const comparison of comparisons) print(comparison)
  const results = join(repositoryRoot(), 'bench', 'results')
  mkdirSync(results, { recursive: true })
  const report = { machine: machineLine(), date: new Date().toISOString(), rounds, comparisons }
  writeFileSync(join(results, 'latest.json'), `${JSON.stringify(report, undefined, 2)}\n`)
  console.log('\nwritten to bench/results/latest.json')
  return undefined
}

function compare(workload: Workload): Comparison {
  const runs = new Map<EngineName, Measures[]>()
  const skipped = new Map<EngineName, string>()
  for (let round = 0; round < rounds; round++) {
    for (const name of engineNames) {
      if (skipped.has(name)) continue
      const outcome = runInOwnProcess(name, workload)
      if (typeof outcome === 'string') skipped.set(name, outcome)
      else runs.set(name, [...(runs.get(name) ?? []), outcome])
    }
  }
  return {
    workload,
    engines: [...runs.values()].map(medianOf),
    skipped: [...skipped].map(([name, reason]) => `${name} [${reason}]`),
  }
}

/** The measures, or why there are none. Ours must run; a peer may be missing. */
function runInOwnProcess(name: EngineName, workload: Workload): Measures | string {
  // Beside the repository's own files: the temporary directory may be memory.
  const parent = join(repositoryRoot(), '.cache', 'bench-data')
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, `${name}-`))
  try {
    const script = fileURLToPath(new URL('./compare/run-engine.js', import.meta.url))
    const result = spawnSync(
      process.execPath,
      [script, name, directory, JSON.stringify(workload)],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: runTimeoutMs },
    )
    if (result.status === 0) return JSON.parse(result.stdout) as Measures
    const lines = result.stderr.split('\n')
    const reason = lines.find((line) => /^\w*Error\b/.test(line)) ?? `took over ${runTimeoutMs} ms`
    if (name === 'stratalog') throw new Error(`the stratalog run failed: ${result.stderr}`)
    return reason
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Field-wise median over the rounds of one engine. */
function medianOf(runs: readonly Measures[]): Measures {
  const pick = (read: (run: Measures) => number) => median(runs.map(read))
  const latency = (read: (run: Measures) => Latency): Latency => ({
    p50Us: pick((run) => read(run).p50Us),
    p99Us: pick((run) => read(run).p99Us),
    p999Us: pick((run) => read(run).p999Us),
  })
  return {
    engine: runs[0]!.engine,
    appendRecordsPerSecond: pick((run) => run.appendRecordsPerSecond),
    appendMBPerSecond: pick((run) => run.appendMBPerSecond),
    appendBatch: latency((run) => run.appendBatch),
    appendSingle: latency((run) => run.appendSingle),
    readRecordsPerSecond: pick((run) => run.readRecordsPerSecond),
    readMBPerSecond: pick((run) => run.readMBPerSecond),
    readHundred: latency((run) => run.readHundred),
    openMs: pick((run) => run.openMs),
    diskBytes: pick((run) => run.diskBytes),
    peakMemoryBytes: pick((run) => run.peakMemoryBytes),
    sum: runs[0]!.sum,
  }
}

function print({ workload, engines, skipped }: Comparison): void {
  const { records, valueBytes, batchRecords } = workload
  console.log(
    `\n${records.toLocaleString('en')} records of ${valueBytes} B, batches of ${batchRecords}, unsynced; median of ${rounds} rounds`,
  )
  const ours = engines.find((measures) => measures.engine === 'stratalog') as Measures
  console.log('\nthroughput')
  printTable(
    engines.map((run) => ({
      engine: run.engine,
      'append records/s': run.appendRecordsPerSecond,
      'MB/s': run.appendMBPerSecond,
      'ours is': ratio(ours.appendRecordsPerSecond, run.appendRecordsPerSecond),
      'read records/s': run.readRecordsPerSecond,
      'read MB/s': run.readMBPerSecond,
      'ours is ': ratio(ours.readRecordsPerSecond, run.readRecordsPerSecond),
      'disk MB': run.diskBytes / 1e6,
      'memory MB': run.peakMemoryBytes / 1e6,
    })),
  )
  console.log('\nlatency in µs: p50 / p99 / p99.9')
  printTable(
    engines.map((run) => ({
      engine: run.engine,
      'append of one batch': show(run.appendBatch),
      'append of one record': show(run.appendSingle),
      'read of 100 records': show(run.readHundred),
    })),
  )
  for (const skip of skipped) console.log(`skipped: ${skip}`)
}

function ratio(ours: number, theirs: number): string {
  return `${(ours / theirs).toFixed(1)} ×`
}

function show({ p50Us, p99Us, p999Us }: Latency): string {
  return [p50Us, p99Us, p999Us].map(figure).join(' / ')
}
