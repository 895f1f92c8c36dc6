// W8        records of 1 KiB to a topic of 1,000 partitions, and to one of 4. Every record goes to any
//           partition, for a client that stays with one for a while would not tell the two apart.
import { atLeast } from '../../support/target.ts'
import type { Contest } from '../compare-bench.ts'
import { pairRatio } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { produceTurn } from './produce-turn.ts'
import { oursAndKafka } from './sides.ts'

const fullRecords = 400_000
const [few, many] = ['4 partitions', '1,000 partitions']

export const manyPartitions: Workload = {
  id: 'W8',
  title: 'produce records of 1 KiB to many partitions',
  async run(bench) {
    const records = bench.records(fullRecords)
    const { sides } = oursAndKafka(bench)[0]!
    const contest = (what: string, partitions: number): Contest => ({
      workload: 'W8',
      what,
      sides,
      async turn(turn) {
        const plan = { records, partitions, isSpread: true }
        return (await produceTurn(bench, turn, plan)).measures
      },
    })
    return bench.contests([contest(few, 4), contest(many, 1000)])
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (what: string) => some.find((row) => row.peer === 'stratalog' && row.what === what)
      const found = pairRatio(of(many), of(few), 'recordsPerSecond')
      return [
        atLeast(`W8 1,000 partitions, throughput of ours with 4${suffix}`, found, 0.8, {
          from: 'acks=1, page cache',
        }),
      ]
    })
  },
}
