// Question  How fast does a log append and read, and a server produce and fetch?
// Workload  In process: random values of 100 B, fixed seed, in batches of 1,000 to the kernel (level
//           os, nothing synced) and read back, beside the engines of compare/; see
//           compare/workload.ts. Over TCP: batches of 64 records of 1 KiB to a server in a process of
//           its own, frames encoded beforehand (net/replayer.ts), acks 1 (os) and all (disk).
// Measures  records/s, MB/s, p50/p99/p99.9, the server's CPU per GB; every run on an empty directory
//           in a fresh process, engines in turn, medians of five rounds, ratios by pairs. Pages are
//           cached. Not: compression, cold reads, other brokers; 1 KiB in process (bench:engines).
import { compareEngines, comparisonRows, comparisonTargets } from './compare/comparison.ts'
import { measure, type Workload } from './compare/workload.ts'
import { wireRounds, wireRows } from './net/compare-wire.ts'
import type { WireLoad } from './net/wire-load.ts'
import { inDataDirectory } from './support/data-directory.ts'
import {
  loadAverage,
  printResultRows,
  type ResultRow,
  resultTarget,
  writeResults,
} from './support/results.ts'
import { printTargets } from './support/target.ts'

const rounds = 5
const workload: Workload = {
  records: 600_000,
  valueBytes: 100,
  batchRecords: 1000,
  warmUpBatches: 200,
  singleAppends: 4000,
  sends: 250_000,
  randomReads: 400,
  steadyMs: 300,
}
const wireLoad: WireLoad = {
  valueBytes: 1024,
  batchRecords: 64,
  partitions: 4,
  batches: 4000,
  produceInFlight: 8,
  fetchBytes: 1 << 20,
  fetchInFlight: 2,
  latencySamples: 2000,
}

const tinyWorkload: Workload = {
  records: 1000,
  valueBytes: 100,
  batchRecords: 100,
  warmUpBatches: 1,
  singleAppends: 10,
  sends: 10,
  randomReads: 10,
  steadyMs: 0,
}
const tinyWire: WireLoad = {
  ...wireLoad,
  batchRecords: 2,
  batches: 8,
  fetchBytes: 4096,
  latencySamples: 2,
}

/** Tiny: our engine in this process, and our server once. Else everything, printed and kept. */
export async function run({ tiny }: { tiny: boolean }): Promise<ResultRow[] | undefined> {
  if (tiny) {
    const runs = await inDataDirectory('bench', { tiny }, (directory) =>
      measure('stratalog', directory, tinyWorkload),
    )
    return [
      ...comparisonRows({
        workload: tinyWorkload,
        runs: new Map([['stratalog', [runs]]]),
        skipped: [],
      }),
      ...wireRows(tinyWire, await wireRounds(tinyWire, 1, { tiny })),
    ]
  }
  const loadBefore = loadAverage()
  console.log(`load average before the run: ${loadBefore.toFixed(1)}`)
  const comparison = await compareEngines(workload, rounds)
  const wire = await wireRounds(wireLoad, rounds, { tiny })
  const rows = [...comparisonRows(comparison), ...wireRows(wireLoad, wire)]
  const targets = comparisonTargets(comparison)
  const { skipped } = comparison
  printResultRows(rows)
  console.log('')
  printTargets(targets)
  for (const skip of skipped) console.log(`skipped: ${skip}`)
  const command = 'npm run bench'
  writeResults('latest', { command, rows, targets: targets.map(resultTarget), skipped, loadBefore })
  return undefined
}
