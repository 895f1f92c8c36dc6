// W2        1 KiB records without compression, acks=1 and acks=all.
import { atLeast, atMost } from '../../support/target.ts'
import type { CompareBench, Contest } from '../compare-bench.ts'
import { pairRatio } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { javaProduce } from './java-produce.ts'
import { produceTurn } from './produce-turn.ts'
import { oursAndKafka } from './sides.ts'

export const kibibyteCount = 1_000_000

/** Peers of other protocols, by their own tools: as many records as an eighth of W2. */
function ownClients(bench: CompareBench, records: number): Contest[] {
  const peers = bench.peers.filter(({ speaksKafka }) => !speaksKafka)
  const sides = peers.map((peer) => ({ peer, class: 'page cache', acks: 1 }) as const)
  if (sides.length === 0) return []
  return [
    {
      workload: 'W2',
      what: 'own client',
      sides,
      turn: async (turn) =>
        (await produceTurn(bench, turn, { records: Math.ceil(records / 8) })).measures,
    },
  ]
}

export const kibibyteProduce: Workload = {
  id: 'W2',
  title: 'produce records of 1 KiB',
  async run(bench) {
    const records = bench.records(kibibyteCount)
    const contests = oursAndKafka(bench).map(
      ({ acks, sides }): Contest => ({
        workload: 'W2',
        what: `acks=${acks}`,
        sides,
        turn: async (turn) => (await produceTurn(bench, turn, { records })).measures,
      }),
    )
    const { sides } = oursAndKafka(bench)[0]!
    return bench.contests([
      ...contests,
      ...ownClients(bench, records),
      ...javaProduce(bench, 'W2', { what: 'acks=1, Java producer', sides, records }),
    ])
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (peer: string, what: string) =>
        some.find((row) => row.peer === peer && row.what === what)
      const [ours, kafkas] = [of('stratalog', 'acks=1'), of('kafka', 'acks=1')]
      const [disk, cache] = [of('stratalog', 'acks=all'), of('kafka', 'acks=all')]
      const from = 'acks=1, page cache'
      return [
        atMost(
          `W2 produce 1 KiB, CPU-s per GB of Kafka's${suffix}`,
          pairRatio(ours, kafkas, 'cpuSecondsPerGb'),
          0.333,
          { from },
        ),
        atLeast(
          `W2 produce 1 KiB, throughput of Kafka's${suffix}`,
          pairRatio(ours, kafkas, 'recordsPerSecond'),
          1,
          { from },
        ),
        atLeast(
          `W2 acks=all on disk, throughput of Kafka's in the page cache${suffix}`,
          pairRatio(disk, cache, 'recordsPerSecond'),
          0.8,
          { from: 'acks=all, synced / page cache' },
        ),
      ]
    })
  },
}
