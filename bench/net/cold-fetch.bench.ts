// Question  How long does one consumer of old records keep others waiting?
// Workload  a server process with 200 MB in batches of 64 KiB, restarted; one client fetches all of it,
//           1 MB at a time, while another appends one record after the other at the end, acks=1, with 2 ms
//           between them. First with what is in the page cache, then with an empty one, then the
//           same with a disk that is slow to read (100 MB/s, 1,000 reads a second), as root.
// Measures  MB/s of the consumer; ms from request to acknowledgement of the others. Linux only.
import { setTimeout as sleep } from 'node:timers/promises'
import { inDataDirectory } from '../support/data-directory.ts'
import { dropSegmentsFromCache } from '../support/page-cache.ts'
import { ServerProcess } from '../support/server-process.ts'
import { SlowDisk } from '../support/slow-disk.ts'
import { percentile } from '../support/statistics.ts'
import { Replayer } from './replayer.ts'
import { type WireLoad, WireSession } from './wire-load.ts'

export type ColdRow = {
  readonly records: string
  readonly consumerMbPerSecond: number
  readonly appends: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly longestMs: number
}

const load: WireLoad = {
  valueBytes: 1000,
  batchRecords: 64,
  partitions: 1,
  batches: 3200,
  produceInFlight: 4,
  fetchBytes: 1_000_000,
  fetchInFlight: 2,
  latencySamples: 1,
}
const slow = { bytesPerSecond: 100e6, readsPerSecond: 1000 }
const gapMs = 2

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<unknown[]> {
  if (process.platform !== 'linux') return [{ skipped: 'the page cache is emptied as on Linux' }]
  return inDataDirectory('cold-fetch', options, async (directory) => {
    const sizes = options.tiny ? { ...load, batches: 20 } : load
    const first = await ServerProcess.start(['--data', directory])
    const session = new WireSession(first, sizes, await Replayer.connect(first.port))
    await session.createTopic()
    await session.produceAll('os')
    session.close()
    await first.stop()
    const rows: unknown[] = [
      await measure('in the page cache', directory, sizes),
      await measure('on disk', directory, sizes, { isCold: true }),
    ]
    const disk = SlowDisk.make(directory, slow)
    if (typeof disk === 'string') {
      if (!options.tiny) console.log(disk)
      return rows
    }
    try {
      rows.push(await measure('on a slow disk', directory, sizes, { isCold: true, disk }))
    } finally {
      disk.remove()
    }
    return rows
  })
}

async function measure(
  records: string,
  directory: string,
  sizes: WireLoad,
  { isCold = false, disk }: { isCold?: boolean; disk?: SlowDisk } = {},
): Promise<ColdRow> {
  const server = await ServerProcess.start(['--data', directory])
  const batches = sizes.batches / sizes.partitions
  const consumer = new WireSession(server, sizes, await Replayer.connect(server.port), batches)
  const producer = new WireSession(server, sizes, await Replayer.connect(server.port), batches)
  try {
    // What the server compiles and reads for the first time is not the disk's.
    await consumer.fetchAll()
    for (let i = 0; i < 20; i++) await producer.appendOne('os')
    if (isCold) dropSegmentsFromCache(directory)
    disk?.add(server.pid)
    const waits: number[] = []
    let isOver = false
    const appending = (async () => {
      while (!isOver) {
        waits.push(await producer.appendOne('os'))
        await sleep(gapMs)
      }
    })()
    const { mbPerSecond } = await consumer.fetchAll()
    isOver = true
    await appending
    const samples = Float64Array.from(waits)
    return {
      records,
      consumerMbPerSecond: mbPerSecond,
      appends: waits.length,
      p50Ms: percentile(samples, 0.5),
      p99Ms: percentile(samples, 0.99),
      longestMs: percentile(samples, 1),
    }
  } finally {
    consumer.close()
    producer.close()
    await server.stop()
  }
}
