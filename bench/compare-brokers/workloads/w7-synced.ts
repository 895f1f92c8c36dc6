// W7        records of 1 KiB that are synced before they are acknowledged, from 1 and from 64 producers.
//           Each waits for its acknowledgement, so that 64 of them can share a sync (group commit).
import { atLeast } from '../../support/target.ts'
import type { Contest } from '../compare-bench.ts'
import { pairRatio } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { produceTurn } from './produce-turn.ts'
import { percentilesOf } from './w6-latency.ts'

/** A producer, at full size. */
const fullRecords = { 1: 1_500, 64: 120 } as const
const many = '64 producers'

/** By peer: what ours must reach of its records/s with 64 producers. */
const bounds: readonly (readonly [string, number])[] = [
  ['kafka', 3],
  ['nats', 3],
  ['rocketmq', 1],
]

export const synced: Workload = {
  id: 'W7',
  title: 'produce records of 1 KiB, synced before they are acknowledged',
  async run(bench) {
    const able = bench.peers.filter(({ canSync }) => canSync)
    const contests = ([1, 64] as const).map((producers): Contest => {
      const records = bench.records(fullRecords[producers] * producers)
      return {
        workload: 'W7',
        what: producers === 1 ? '1 producer' : many,
        sides: able.map((peer) => ({ peer, class: 'synced', acks: -1 })),
        async turn(turn) {
          const plan = { records, producers, isOneByOne: true }
          const { result, measures } = await produceTurn(bench, turn, plan)
          const { recordsPerSecond, cpuUsPerRecord, peakMb } = measures
          return {
            recordsPerSecond: recordsPerSecond!,
            cpuUsPerRecord: cpuUsPerRecord!,
            peakMb: peakMb!,
            ...(result.latenciesMs === undefined ? {} : percentilesOf(result.latenciesMs)),
          }
        },
      }
    })
    return bench.contests(contests)
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (peer: string) => some.find((row) => row.peer === peer && row.what === many)
      return bounds
        .filter(([peer]) => of(peer) !== undefined)
        .map(([peer, bound]) => {
          const found = pairRatio(of('stratalog'), of(peer), 'recordsPerSecond')
          const what = `W7 64 producers, throughput of ${peer}, both synced${suffix}`
          return atLeast(what, found, bound, { from: many })
        })
    })
  },
}
