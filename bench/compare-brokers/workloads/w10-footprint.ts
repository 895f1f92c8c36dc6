// W10       how soon a server on an empty directory takes requests, what it keeps resident when it has
//           nothing to do, and how much there is to install (without Node and the JVM themselves).
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { atMost } from '../../support/target.ts'
import { type BrokerPeer, freePort } from '../broker-peer.ts'
import type { CompareBench } from '../compare-bench.ts'
import { residentBytesOf } from '../process-usage.ts'
import { type Measures, pairRatio, rowOf } from '../row.ts'
import type { Workload } from '../workload.ts'

const idleMs = 3_000

export const footprint: Workload = {
  id: 'W10',
  title: 'start, idle memory, installed size',
  async run(bench) {
    const measured = new Map<BrokerPeer, Measures[]>(bench.peers.map((peer) => [peer, []]))
    for (let round = -1; round < bench.options.rounds; round++) {
      for (const [peer, all] of measured) {
        const measures = await startAndRest(bench, peer)
        if (round >= 0) all.push(measures)
      }
    }
    const about = { workload: 'W10', what: 'idle', class: 'page cache', pinned: false } as const
    return [...measured].map(([peer, all]) =>
      rowOf({ ...about, peer: peer.name, client: 'none' }, all),
    )
  },
  targets(rows) {
    const of = (name: string) => rows.find(({ peer }) => peer === name)
    const ours = of('stratalog')?.metrics
    const idle = pairRatio(of('stratalog'), of('kafka'), 'idleMb')
    return [
      atMost('W10 ready', ours?.readyMs?.median ?? Number.NaN, 200, {
        unit: 'ms',
        from: 'start of the process',
      }),
      atMost("W10 idle memory of Kafka's", idle, 0.2, { from: `resident after ${idleMs} ms` }),
      atMost('W10 npm pack', ours?.packMb?.median ?? Number.NaN, 1, {
        unit: 'MB',
        from: 'without prebuilds',
      }),
    ]
  },
}

async function startAndRest(bench: CompareBench, peer: BrokerPeer): Promise<Measures> {
  const directory = bench.makeDirectory(peer.name)
  try {
    const port = await freePort()
    await peer.prepareDirectory?.(bench.workshop, { directory, port })
    const startedMs = performance.now()
    const core = undefined
    const given = { directory, core, durability: 'page cache', port } as const
    const broker = await peer.start(bench.workshop, given)
    const readyMs = performance.now() - startedMs
    await sleep(idleMs)
    const idleMb = residentBytesOf(broker.pids) / 1e6
    await broker.stop()
    return { readyMs, idleMb, ...(await sizesOf(bench, peer)) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function sizesOf({ workshop }: CompareBench, peer: BrokerPeer): Promise<Measures> {
  const installedMb = (await peer.installedBytes(workshop)) / 1e6
  const packed = await peer.packedBytes?.(workshop)
  return packed === undefined ? { installedMb } : { installedMb, packMb: packed / 1e6 }
}
