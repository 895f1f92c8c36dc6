/**
 * Appends at level `os`, by whichever build of the engine it is told: 100 B in batches of 1,000, and
 * one at a time.
 */
import { pathToFileURL } from 'node:url'
import { seededValues } from '../support/seeded.ts'

export type OsLevelLoad = {
  /** File that exports `openStore`. */
  entry: string
  warmUpBatches: number
  batches: number
  warmUpSingles: number
  singles: number
}

export type OsLevelMeasures = { batchRecordsPerSecond: number; singleRecordsPerSecond: number }

type Entry = Pick<typeof import('../../src/public.ts'), 'openStore'>

const batchRecords = 1000
const valueBytes = 100

export async function measureOsLevel(
  directory: string,
  load: OsLevelLoad,
): Promise<OsLevelMeasures> {
  const { openStore } = (await import(/* @vite-ignore */ pathToFileURL(load.entry).href)) as Entry
  const values = seededValues(batchRecords, valueBytes, 1)
  const store = await openStore(directory)
  const log = await store.log('bench')
  const appendBatches = async (count: number) => {
    for (let i = 0; i < count; i++) await log.append(values, { level: 'os' })
  }
  const appendSingles = async (count: number) => {
    for (let i = 0; i < count; i++) {
      await log.append(values[i % batchRecords]!, { level: 'os' })
    }
  }
  await appendBatches(load.warmUpBatches)
  const batchSeconds = await secondsOf(() => appendBatches(load.batches))
  await appendSingles(load.warmUpSingles)
  const singleSeconds = await secondsOf(() => appendSingles(load.singles))
  const expected =
    (load.warmUpBatches + load.batches) * batchRecords + load.warmUpSingles + load.singles
  if (log.endOffset !== expected) {
    throw new Error(`the log holds ${log.endOffset} of ${expected} records`)
  }
  await store.close()
  return {
    batchRecordsPerSecond: (load.batches * batchRecords) / batchSeconds,
    singleRecordsPerSecond: load.singles / singleSeconds,
  }
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}
