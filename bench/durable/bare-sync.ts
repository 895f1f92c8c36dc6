/**
 * What durability costs without an engine: 4 KiB written into a zeroed file at advancing positions,
 * then fdatasync. Both ways to call it: on this thread, and through the thread pool.
 *
 * And what the device would allow to many appenders who each wait for their acknowledgement, if all else
 * took no time: the records of all of them in one write past the page cache and one sync, then the next.
 */
import { join } from 'node:path'
import { binding } from '../../src/native/load-binding.ts'
import type { File } from '../../src/platform/file-system.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { pageAlignedBuffer } from '../../src/platform/page-aligned-buffer.ts'
import { seededValues } from '../support/seeded.ts'
import { type Latency, latencyOf } from '../support/statistics.ts'
import { ZeroedFile } from '../support/zeroed-file.ts'

export type BareSyncLoad = {
  fileBytes: number
  warmUpSyncs: number
  syncs: number
  blocks: number
  /** Records of 1 KiB that share a write. */
  recordsTogether: number
}

export type BareSync = {
  syncCall: Latency
  threadPool: Latency
  together: Latency & { recordsPerSecond: number }
}

const pageBytes = 4096
const recordBytes = 1024

/** Measures in an empty directory; the two ways take turns, `blocks` times each. */
export async function measureBareSync(directory: string, load: BareSyncLoad): Promise<BareSync> {
  const page = seededValues(1, pageBytes, 1)[0]!
  const file = new ZeroedFile(join(directory, 'zeroed'), load.fileBytes)
  const sameFile = nodeFileSystem.open(join(directory, 'zeroed'), 'write')
  const callHere = () => file.syncHere()
  const callThreadPool = () => binding.fdatasync(file.fd)
  const syncCall = new Float64Array(load.syncs * load.blocks)
  const threadPool = new Float64Array(load.syncs * load.blocks)
  const together = new Float64Array(load.syncs * load.blocks)
  const records = pageAlignedBuffer(load.recordsTogether * recordBytes)
  seededValues(load.recordsTogether, recordBytes, 1).forEach((value, i) => {
    records.set(value, i * recordBytes)
  })
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
      for (let i = from; i < from + load.syncs; i++) {
        const position = (i * records.length) % (load.fileBytes - records.length)
        together[i] = timedDurable(sameFile, records, position - (position % pageBytes))
      }
    }
  } finally {
    sameFile.close()
    file.close()
  }
  const recordsPerSecond = (load.recordsTogether * 1000) / mean(together)
  return {
    syncCall: latencyOf(syncCall),
    threadPool: latencyOf(threadPool),
    together: { ...latencyOf(together), recordsPerSecond },
  }
}

function mean(samples: Float64Array): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}

function timedDurable(file: File, bytes: Buffer, position: number): number {
  const start = performance.now()
  file.writeDurable(bytes, position)
  return performance.now() - start
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
