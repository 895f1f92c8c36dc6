// W1        100 B records without compression, acks=1 and acks=all.
import { atMost } from '../../support/target.ts'
import { pairRatio } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { produceTurn } from './produce-turn.ts'
import { oursAndKafka } from './sides.ts'

const fullRecords = 3_000_000

export const smallRecords: Workload = {
  id: 'W1',
  title: 'produce records of 100 B',
  async run(bench) {
    const records = bench.records(fullRecords)
    return bench.contests(
      oursAndKafka(bench).map(({ acks, sides }) => ({
        workload: 'W1',
        what: `acks=${acks}`,
        sides,
        turn: async (turn) =>
          (await produceTurn(bench, turn, { records, valueBytes: 100 })).measures,
      })),
    )
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (peer: string) => some.find((row) => row.peer === peer && row.what === 'acks=1')
      const found = pairRatio(of('stratalog'), of('kafka'), 'cpuUsPerRecord')
      return [
        atMost(`W1 produce 100 B, CPU per record of Kafka's${suffix}`, found, 0.5, {
          from: 'acks=1, page cache',
        }),
      ]
    })
  },
}
