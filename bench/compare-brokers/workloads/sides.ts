/** Who takes part in the contests of Kafka's protocol. */
import type { CompareBench, Side } from '../compare-bench.ts'

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
