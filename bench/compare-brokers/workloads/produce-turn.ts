/** One turn of a workload that produces to a topic of its own. */
import type { CompareBench, Measured, Turn } from '../compare-bench.ts'
import { kibibyteRecords, type LoadTool, type ProducePlan } from '../load/load-tool.ts'

/** As many partitions as have the topics of all workloads, unless they say otherwise. */
export const partitions = 6

export type ProduceTurn = Partial<ProducePlan> & {
  readonly records: number
  readonly partitions?: number
}

/**
 * The topic is deleted, so that its pages need not be written by the kernel in a later turn.
 *
 * @param load what produces; the broker's own tool as a rule, which makes the topic in any case.
 */
export async function produceTurn(
  bench: CompareBench,
  { side, broker, core, topic }: Turn,
  plan: ProduceTurn,
  load: LoadTool = broker.load,
): Promise<Measured> {
  const isSynced = side.class === 'synced'
  await broker.load.createTopic({ topic, partitions: plan.partitions ?? partitions, isSynced })
  const all = { ...kibibyteRecords, ...plan, topic, acks: side.acks, core }
  try {
    return await bench.metered(broker, () => load.produce(all))
  } finally {
    await broker.load.deleteTopic(topic)
  }
}
