/** Level `os` in this tree and in an earlier revision, in turn. */

import { inDataDirectory } from '../support/data-directory.ts'
import { runPart } from '../support/own-process.ts'
import type { PartResult } from '../support/part.ts'
import { median } from '../support/statistics.ts'
import { figure, printTable } from '../support/table.ts'
import { atLeast } from '../support/target.ts'
import { buildBaseline, buildWorkingTree } from './baseline-build.ts'
import type { OsLevelLoad, OsLevelMeasures } from './os-level.ts'
import { durableParts } from './part-script.ts'

const load = { warmUpBatches: 300, batches: 3000, warmUpSingles: 20_000, singles: 150_000 }
const leastShare = 0.95

/**
 * More rounds than elsewhere, each of two short runs: five per cent is less than one pair of runs
 * differs by.
 */
const pairsPerRound = 2

export async function compareOsLevel(revision: string, roundCount: number): Promise<PartResult> {
  const ours = buildWorkingTree()
  const before = buildBaseline(revision)
  for (const build of [ours, before]) {
    if ('reason' in build) {
      return { targets: [], figures: undefined, skipped: [`level os [${build.reason}]`] }
    }
  }
  const entries = [before, ours].map((build) => (build as { entry: string }).entry)
  const measures: [OsLevelMeasures[], OsLevelMeasures[]] = [[], []]
  for (let pair = 0; pair < roundCount * pairsPerRound; pair++) {
    // A B B A: whatever the first run of a pair leaves behind falls on either in turn.
    for (const side of pair % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const input: OsLevelLoad = { entry: entries[side]!, ...load }
      measures[side].push(
        await inDataDirectory('os-level', { tiny: false }, (directory) =>
          runPart<OsLevelMeasures>(durableParts, 'os-level', directory, input),
        ),
      )
    }
  }
  const [earlier, now] = measures
  const batches = (of: OsLevelMeasures[]) => of.map((run) => run.batchRecordsPerSecond)
  const singles = (of: OsLevelMeasures[]) => of.map((run) => run.singleRecordsPerSecond)
  console.log(`\nlevel os, 100 B a record; medians of ${now.length} pairs of runs`)
  printTable([
    {
      run: `revision ${revision}`,
      'batches of 1,000, records/s': median(batches(earlier)),
      'one at a time, records/s': median(singles(earlier)),
    },
    {
      run: 'this tree',
      'batches of 1,000, records/s': median(batches(now)),
      'one at a time, records/s': median(singles(now)),
    },
  ])
  const target = (what: string, pick: (of: OsLevelMeasures[]) => number[]) =>
    atLeast(what, pairedRatio(pick(now), pick(earlier)), leastShare, {
      from: `${figure(median(pick(now)))} / ${figure(median(pick(earlier)))} records/s, by pairs`,
    })
  return {
    targets: [
      target(`level os, batches, of revision ${revision}`, batches),
      target(`level os, one at a time, of revision ${revision}`, singles),
    ],
    figures: { revision, load, earlier, now },
    skipped: [],
  }
}

/** Median of the ratios of the pairs: what disturbs a pair disturbs both sides. */
function pairedRatio(ours: readonly number[], other: readonly number[]): number {
  return median(ours.map((value, pair) => value / other[pair]!))
}
