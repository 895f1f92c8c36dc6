// W3        W2 with zstd, acks=1, by Kafka's Java producer: rdkafka_performance has zstd only where the
//           library's headers are installed. The producer compresses; the server must not.
import type { Workload } from '../workload.ts'
import { javaProduce } from './java-produce.ts'
import { oursAndKafka } from './sides.ts'
import { kibibyteCount } from './w2-kibibyte-records.ts'

/** The client's compression takes most of the time: half the records of W2. */
const share = 0.5

export const compressed: Workload = {
  id: 'W3',
  title: 'produce records of 1 KiB with zstd',
  async run(bench) {
    const { sides } = oursAndKafka(bench)[0]!
    const records = bench.records(kibibyteCount * share)
    const what = 'acks=1, zstd'
    return bench.contests(javaProduce(bench, 'W3', { what, sides, records, compression: 'zstd' }))
  },
  targets: () => [],
}
