// W6        latency of an acknowledgement at 20,000 records of 100 B a second, acks=1 and acks=all. The
//           producer sends at once (linger.ms=0): its own waiting would be most of the figure.
import { percentile } from '../../support/statistics.ts'
import { atMost } from '../../support/target.ts'
import { type Measures, pairRatio } from '../row.ts'
import { eachPinning, type Workload } from '../workload.ts'
import { produceTurn } from './produce-turn.ts'
import { oursAndKafka } from './sides.ts'

const rate = 20_000
const fullSeconds = 8
/** Of the samples, from the first on: connecting and the first requests. */
const warmUpShare = 0.125

export const latency: Workload = {
  id: 'W6',
  title: 'latency at 20,000 records/s',
  async run(bench) {
    const records = bench.records(rate * fullSeconds)
    return bench.contests(
      oursAndKafka(bench).map(({ acks, sides }) => ({
        workload: 'W6',
        what: `acks=${acks}`,
        client: 'paced-producer',
        sides,
        async turn(turn) {
          const plan = { records, valueBytes: 100, rate }
          const { result, measures } = await produceTurn(bench, turn, plan)
          const { recordsPerSecond, cpuUsPerRecord } = measures
          return {
            recordsPerSecond: recordsPerSecond!,
            cpuUsPerRecord: cpuUsPerRecord!,
            ...percentilesOf(result.latenciesMs!),
          }
        },
      })),
    )
  },
  targets(rows) {
    return eachPinning(rows, (some, suffix) => {
      const of = (peer: string) => some.find((row) => row.peer === peer && row.what === 'acks=1')
      const [ours, kafkas] = [of('stratalog'), of('kafka')]
      const ratio = pairRatio(ours, kafkas, 'p99Ms')
      const ourTail = ours?.metrics.p999Ms?.median ?? Number.NaN
      const theirs = kafkas?.metrics.p99Ms?.median ?? Number.NaN
      const from = 'acks=1, page cache'
      return [
        atMost(`W6 p99 of Kafka's${suffix}`, ratio, 0.5, { from }),
        atMost(`W6 p99.9 of Kafka's p99${suffix}`, ourTail / theirs, 1, { from }),
      ]
    })
  },
}

/** @param samplesMs in the order of time; the first ones are left out. */
export function percentilesOf(samplesMs: Float64Array): Measures {
  const samples = samplesMs.slice(Math.floor(samplesMs.length * warmUpShare))
  return {
    p50Ms: percentile(samples, 0.5),
    p99Ms: percentile(samples, 0.99),
    p999Ms: percentile(samples, 0.999),
  }
}
