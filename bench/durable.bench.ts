// Question  What does an acknowledged, durable append cost, beside a bare fdatasync and beside the
//           embedded engines of the Node world, with one appender and with 64? What did level `os`
//           lose since an earlier revision, and how soon does a killed store take appends again?
// Workload  one record of 1 KiB per append, fixed seed, level `disk`, all settings default; each
//           appender waits for its acknowledgement before it appends again. Bare: 4 KiB written
//           into a zeroed 64 MiB file at advancing positions, fdatasync; and 64 records of 1 KiB in one
//           durable write after the other, which is what the device allows to 64 appenders. Level
//           `os`: 100 B in batches of 1,000, and one at a time. Recovery: durable/recovery-load.ts.
// Measures  records/s; p50/p99/p99.9 of one acknowledgement; CPU; bytes and flushes that reached the
//           disk (of all processes) per record. Every run is a process of its own on an empty
//           directory, engines alternate (A B C A B C …); ratios are those of the medians over the
//           rounds, at level `os` medians of the ratios of neighbouring runs.
//           Not: batches at level `disk`, the network, a recovery with cold caches.
import { cpSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AppendLoad, measureAppenders } from './durable/appenders.ts'
import { measureBareSync } from './durable/bare-sync.ts'
import { compareAppenders } from './durable/compare-appenders.ts'
import { compareOsLevel } from './durable/compare-os-level.ts'
import { measureRecoveries } from './durable/compare-recovery.ts'
import { ourNames } from './durable/durable-engine.ts'
import { parseDurableOptions, usage } from './durable/options.ts'
import { measureOsLevel } from './durable/os-level.ts'
import { measureRecovery, type WriteProgress, writeUnderLoad } from './durable/recovery-load.ts'
import { inDataDirectory } from './support/data-directory.ts'
import { runParts } from './support/part.ts'

export { usage }

/** Tiny: every part once, in this process, our engine alone. Else everything, printed and kept. */
export async function run({
  tiny,
  args = [],
}: {
  tiny: boolean
  args?: readonly string[]
}): Promise<unknown[] | undefined> {
  if (tiny) return runTiny()
  const options = parseDurableOptions(args)
  const { rounds, baseline, recoveryGb } = options
  const parts = {
    appenders: () => compareAppenders(rounds),
    'os-level': () => compareOsLevel(baseline, rounds),
    recovery: () => measureRecoveries(recoveryGb),
  }
  const wanted = options.parts.map((part) => parts[part])
  await runParts('durable', wanted, options)
  return undefined
}

function runTiny(): Promise<unknown[]> {
  return inDataDirectory('durable', { tiny: true }, async (parent) => {
    const empty = (name: string) => {
      const directory = join(parent, name)
      mkdirSync(directory)
      return directory
    }
    const bareLoad = { fileBytes: 1 << 20, warmUpSyncs: 1, syncs: 2, blocks: 1, recordsTogether: 4 }
    const load: AppendLoad = { appenders: 4, valueBytes: 1024, warmUpMs: 1, measuredMs: 5 }
    const entry = fileURLToPath(new URL('../src/public.ts', import.meta.url))
    const osLoad = { entry, warmUpBatches: 1, batches: 2, warmUpSingles: 1, singles: 10 }
    return [
      await measureBareSync(empty('bare'), bareLoad),
      await measureAppenders(ourNames[0], empty('one-log'), load),
      await measureAppenders(ourNames[1], empty('log-each'), load),
      await measureOsLevel(empty('os-level'), osLoad),
      await recoverTiny(empty('killed'), join(parent, 'copy')),
    ]
  })
}

/**
 * No process to kill here: the files are copied while the store is open, in one go, which is what a
 * kill leaves behind. The lock is not, for this process still holds it.
 */
async function recoverTiny(directory: string, copy: string): Promise<unknown> {
  const enoughBytes = 20 << 20
  let acked: WriteProgress | undefined
  const close = await writeUnderLoad(directory, (progress) => {
    if (progress.writtenBytes < enoughBytes) return true
    acked = structuredClone(progress)
    cpSync(directory, copy, { recursive: true, filter: (path) => basename(path) !== '.lock' })
    return false
  })
  await close()
  return measureRecovery(copy, acked!)
}
