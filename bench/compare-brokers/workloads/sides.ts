/** Who takes part in the contests of Kafka's protocol. */
import type { CompareBench, Side } from '../compare-bench.ts'
import { KafkaPeer } from '../peers/kafka.ts'

export type Sides = { readonly acks: '1' | 'all'; readonly sides: readonly Side[] }

/**
 * acks=1 is the page cache on either side. acks=all too with Kafka, as it ships; ours is synced then,
 * and its class says so.
 */
export function oursAndKafka(bench: CompareBench): Sides[] {
  const { ours, kafkaPeers } = bench
  return [
    { acks: '1', sides: kafkaPeers.map((peer) => ({ peer, class: 'page cache', acks: 1 })) },
    {
      acks: 'all',
      sides: kafkaPeers.map((peer) => ({
        peer,
        class: peer === ours ? 'synced' : 'page cache',
        acks: -1,
      })),
    },
  ]
}

/** Of Kafka's own load tools; undefined where Kafka is not installed. */
export function kafkaJarsOf({ peers }: CompareBench): string | undefined {
  const kafka = peers.find((peer): peer is KafkaPeer => peer instanceof KafkaPeer)
  return kafka?.jars
}
