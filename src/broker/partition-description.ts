/** A partition as Metadata and DescribeTopicPartitions tell it: who leads it, who has it. */
import { errorCodes } from '../protocol/error-codes.ts'
import type { Topic } from '../store/topic.ts'
import type { BrokerEnvironment } from './broker-environment.ts'

export type PartitionDescription = {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicaNodes: readonly number[]
  readonly isrNodes: readonly number[]
  readonly offlineReplicas: readonly number[]
}

export function describePartition(
  { store, cluster }: BrokerEnvironment,
  topic: Topic,
  partitionIndex: number,
): PartitionDescription {
  const replicas = cluster.replicasOf(topic, partitionIndex)
  return {
    errorCode: errorCodes.none,
    partitionIndex,
    leaderId: replicas[0] as number,
    leaderEpoch: store.leaderEpoch,
    replicaNodes: replicas,
    isrNodes: replicas,
    offlineReplicas: [],
  }
}
