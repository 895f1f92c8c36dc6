/** What the arguments may name. */

export const workloadIds = ['W1', 'W2', 'W3', 'W4', 'W5', 'W6', 'W7', 'W8', 'W9', 'W10'] as const
export type WorkloadId = (typeof workloadIds)[number]

/** Beside stratalog. */
export const peerNames = ['kafka', 'nats', 'rocketmq', 'rabbitmq'] as const
export type PeerName = (typeof peerNames)[number]
