/** A store is written, killed under load, and opened again. */

import { statfsSync } from 'node:fs'
import { benchDataFolder, inDataDirectory } from '../support/data-directory.ts'
import { runPart, runUntilKilled } from '../support/own-process.ts'
import type { PartResult } from '../support/part.ts'
import { printTable } from '../support/table.ts'
import { atMost } from '../support/target.ts'
import { durableParts } from './part-script.ts'
import type { RecoveryMeasures, WriteProgress } from './recovery-load.ts'

const roundCount = 3
const mostMs = 1000
/** What must be free: the store, its journal and indexes, and room for the others on this disk. */
const freeShare = 1.6

export async function measureRecoveries(gigabytes: number): Promise<PartResult> {
  const bytes = gigabytes * 1e9
  const disk = statfsSync(benchDataFolder())
  const freeBytes = disk.bavail * disk.bsize
  if (freeBytes < bytes * freeShare) {
    const reason = `${inGb(freeBytes)} GB are free: ${inGb(bytes * freeShare)} are needed`
    return { targets: [], figures: undefined, skipped: [`recovery [${reason}]`] }
  }
  const rounds: RecoveryMeasures[] = []
  for (let round = 0; round < roundCount; round++) {
    rounds.push(
      await inDataDirectory('recovery', { tiny: false }, async (directory) => {
        const acked = await runUntilKilled<WriteProgress>(
          durableParts,
          'recovery-write',
          directory,
          {},
          (progress) => progress.writtenBytes >= bytes,
        )
        return runPart<RecoveryMeasures>(durableParts, 'recovery-open', directory, acked)
      }),
    )
  }
  console.log('\nrecovery after SIGKILL under load; ms from the call of openStore, page cache warm')
  printTable(
    rounds.map((run, round) => ({
      round: String(round + 1),
      'written GB': inGb(run.writtenBytes),
      'un-checkpointed MB': Math.round(run.uncheckpointedBytes / 1e6),
      'opened ms': run.openMs,
      'first append ms': run.firstAppendMs,
      'first read ms': run.firstReadMs,
      'append to every log ms': run.everyLogMs,
    })),
  )
  const worst = (pick: (run: RecoveryMeasures) => number) => Math.max(...rounds.map(pick))
  const from = `the slowest of ${roundCount}; ${Math.round(worst((run) => run.uncheckpointedBytes) / 1e6)} MB un-checkpointed`
  return {
    targets: [
      atMost(
        `first append after recovery of ${gigabytes} GB`,
        worst((run) => run.firstAppendMs),
        mostMs,
        { unit: 'ms', from },
      ),
      atMost(
        `first read after recovery of ${gigabytes} GB`,
        worst((run) => run.firstReadMs),
        mostMs,
        { unit: 'ms', from },
      ),
    ],
    figures: { gigabytes, rounds },
    skipped: [],
  }
}

function inGb(bytes: number): string {
  return (bytes / 1e9).toFixed(2)
}
