// Question  How fast does a log append and read beside embedded engines, at length?
// Workload  as in process in canonical.bench.ts, with twice as many values of 100 B, and with values
//           of 1 KiB.
// Measures  the same, five rounds.
import { compareEngines, comparisonRows, comparisonTargets } from './compare/comparison.ts'
import { type Measures, measure, type Workload } from './compare/workload.ts'
import { inDataDirectory } from './support/data-directory.ts'
import { loadAverage, printResultRows, resultTarget, writeResults } from './support/results.ts'
import { printTargets } from './support/target.ts'

const measured = {
  batchRecords: 1000,
  singleAppends: 20_000,
  sends: 400_000,
  randomReads: 2000,
  steadyMs: 300,
}
const workloads: readonly Workload[] = [
  { records: 1_200_000, valueBytes: 100, warmUpBatches: 200, ...measured },
  { records: 250_000, valueBytes: 1024, warmUpBatches: 50, ...measured, sends: 100_000 },
]
const rounds = 5
const tinyWorkload: Workload = {
  records: 400,
  valueBytes: 1024,
  batchRecords: 200,
  warmUpBatches: 1,
  singleAppends: 10,
  sends: 10,
  randomReads: 10,
  steadyMs: 0,
}

/** Tiny: our engine alone, in this process. Else the whole comparison, printed and written down. */
export async function run({ tiny }: { tiny: boolean }): Promise<Measures[] | undefined> {
  if (tiny) {
    return inDataDirectory('engines', { tiny }, async (directory) => [
      await measure('stratalog', directory, tinyWorkload),
    ])
  }
  const loadBefore = loadAverage()
  console.log(`load average before the run: ${loadBefore.toFixed(1)}`)
  const comparisons = []
  for (const workload of workloads) comparisons.push(await compareEngines(workload, rounds))
  const rows = comparisons.flatMap(comparisonRows)
  // What is promised is promised of 100-byte records, the first workload.
  const targets = comparisonTargets(comparisons[0]!)
  const skipped = [...new Set(comparisons.flatMap((comparison) => comparison.skipped))]
  printResultRows(rows)
  console.log('')
  printTargets(targets)
  for (const skip of skipped) console.log(`skipped: ${skip}`)
  const command = 'npm run bench:engines'
  writeResults('engines', {
    command,
    rows,
    targets: targets.map(resultTarget),
    skipped,
    loadBefore,
  })
  return undefined
}
