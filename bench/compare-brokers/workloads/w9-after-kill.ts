// W9        the server is killed (SIGKILL) while it holds N GB written just before, and started again on its
//           directory: from the start of the process to the first records a client fetches.
import { rmSync } from 'node:fs'
import { atMost } from '../../support/target.ts'
import { type BrokerPeer, freePort } from '../broker-peer.ts'
import type { CompareBench } from '../compare-bench.ts'
import { kibibyteRecords } from '../load/load-tool.ts'
import { untilFetched } from '../load/raw-fetch.ts'
import { type Measures, rowOf } from '../row.ts'
import type { Workload } from '../workload.ts'
import { partitions } from './produce-turn.ts'

const topic = 'kept'
const limitMs = 120_000
/** Each writes all the gigabytes: no more than these, whatever was asked for. */
const maxRounds = 3

export const afterKill: Workload = {
  id: 'W9',
  title: 'start after kill -9',
  async run(bench) {
    const rounds = Math.min(maxRounds, bench.options.rounds)
    const measured = new Map<BrokerPeer, Measures[]>(bench.kafkaPeers.map((peer) => [peer, []]))
    for (let round = 0; round < rounds; round++) {
      for (const [peer, all] of measured) all.push(await killAndStart(bench, peer))
    }
    const what = `${bench.options.recoveryGb} GB`
    const about = { workload: 'W9', what, class: 'page cache', pinned: false } as const
    return [...measured].map(([peer, all]) =>
      rowOf({ ...about, peer: peer.name, client: 'raw fetch' }, all),
    )
  },
  targets(rows) {
    const ours = rows.find(({ peer }) => peer === 'stratalog')
    const found = ours?.metrics.firstFetchMs?.median ?? Number.NaN
    const what = `W9 kill -9 with ${ours?.what}, to the first fetch`
    return [atMost(what, found, 1000, { unit: 'ms', from: 'start of the process' })]
  },
}

async function killAndStart(bench: CompareBench, peer: BrokerPeer): Promise<Measures> {
  const { workshop, options } = bench
  bench.warmMemory()
  const directory = bench.makeDirectory(peer.name)
  const start = async () => {
    const port = await freePort()
    const core = undefined
    return peer.start(workshop, { directory, core, durability: 'page cache', port })
  }
  try {
    const first = await start()
    await first.load.createTopic({ topic, partitions, isSynced: false })
    const records = Math.ceil((options.recoveryGb * 1e9) / kibibyteRecords.valueBytes)
    await first.load.produce({ ...kibibyteRecords, topic, records, core: undefined })
    await first.kill()
    return await timeToFetch(bench, peer, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function timeToFetch(
  { workshop }: CompareBench,
  peer: BrokerPeer,
  directory: string,
): Promise<Measures> {
  const port = await freePort()
  const startedMs = performance.now()
  const starting = peer.start(workshop, {
    directory,
    core: undefined,
    durability: 'page cache',
    port,
  })
  const [firstFetchMs, broker] = await Promise.all([
    untilFetched(port, topic, limitMs).then(() => performance.now() - startedMs),
    starting,
  ])
  await broker.stop()
  return { firstFetchMs }
}
