/**
 * Arithmetic of producer sequence numbers: 0 … 2^31 − 1, after which 0 follows. A batch may
 * straddle the wrap. Origin: Kafka's idempotent producer (KIP-98).
 */
export const maxSequence = 0x7fff_ffff

/** The sequence `count` places after `sequence`. Both are 0 … 2^31 − 1. */
export function advanceSequence(sequence: number, count: number): number {
  return sequence > maxSequence - count ? count - (maxSequence - sequence) - 1 : sequence + count
}

/** The sequence `count` places before `sequence`. Both are 0 … 2^31 − 1. */
export function retreatSequence(sequence: number, count: number): number {
  return sequence < count ? maxSequence - (count - sequence) + 1 : sequence - count
}
