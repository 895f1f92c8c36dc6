/** Contests produced to by Kafka's own Java client, on any core; none where it is not installed. */
import type { CompareBench, Contest, Side } from '../compare-bench.ts'
import { perfProduce, producerPerformance } from '../load/kafka-perf.ts'
import type { WorkloadId } from '../names.ts'
import { partitions } from './produce-turn.ts'
import { kafkaJarsOf } from './sides.ts'

export type JavaProduce = {
  readonly what: string
  readonly sides: readonly Side[]
  readonly records: number
  readonly compression?: 'none' | 'zstd'
}

export function javaProduce(
  bench: CompareBench,
  workload: WorkloadId,
  { what, sides, records, compression = 'none' }: JavaProduce,
): Contest[] {
  const jars = kafkaJarsOf(bench)
  if (jars === undefined) return []
  const contest: Contest = {
    workload,
    what,
    sides,
    client: producerPerformance,
    isPinned: false,
    async turn({ broker, side, topic, core }) {
      const { address, load } = broker
      await load.createTopic({ topic, partitions, isSynced: side.class === 'synced' })
      const plan = { jars, address, topic, records, valueBytes: 1024, core, compression }
      try {
        const produce = () => perfProduce(bench.workshop, { ...plan, acks: side.acks })
        return (await bench.metered(broker, produce)).measures
      } finally {
        await load.deleteTopic(topic)
      }
    },
  }
  return [contest]
}
