/**
 * What durability costs without an engine: 4 KiB written into a zeroed file at advancing positions,
 * then fdatasync. Both ways to call it: on this thread, and through the thread pool.
 */
import { join } from 'node:path'
import { binding } from '../../src/native/load-binding.ts'
import { seededValues } from '../support/seeded.ts'
import { type Latency, latencyOf } from '../support/statistics.ts'
import { ZeroedFile } from '../support/zeroed-file.ts'

export type BareSyncLoad = { fileBytes: number; warmUpSyncs: number; syncs: number; blocks: number }

export type BareSync = { syncCall: Latency; threadPool: Latency }

const pageBytes = 4096

/** Measures in an empty directory; the two ways take turns, `blocks` times each. */
export async function measureBareSync(directory: string, load: BareSyncLoad): Promise<BareSync> {
  const page = seededValues(1, pageBytes, 1)[0]!
  const file = new ZeroedFile(join(directory, 'zeroed'), load.fileBytes)
  const callHere = () => file.syncHere()
  const callThreadPool = () => binding.fdatasync(file.fd)
  const syncCall = new Float64Array(load.syncs * load.blocks)
  const threadPool = new Float64Array(load.syncs * load.blocks)
  try {
    for (let i = 0; i < load.warmUpSyncs; i++) {
      await timed(file, page, i % 2 === 0 ? callHere : callThreadPool)
    }
    for (let block = 0; block < load.blocks; block++) {
      const from = block * load.syncs
      for (let i = from; i < from + load.syncs; i++) syncCall[i] = await timed(file, page, callHere)
      for (let i = from; i < from + load.syncs; i++) {
        threadPool[i] = await timed(file, page, callThreadPool)
      }
    }
  } finally {
    file.close()
  }
  return { syncCall: latencyOf(syncCall), threadPool: latencyOf(threadPool) }
}

async function timed(
  file: ZeroedFile,
  page: Buffer,
  sync: () => void | Promise<void>,
): Promise<number> {
  const start = performance.now()
  file.writeNext(page)
  const waiting = sync()
  // No turn of the microtask queue in the figure of the call that did not wait.
  if (waiting !== undefined) await waiting
  return performance.now() - start
}
