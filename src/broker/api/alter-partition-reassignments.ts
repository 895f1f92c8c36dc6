/**
 * AlterPartitionReassignments: which nodes have which partition. No bytes move, because all nodes
 * share one store, so a reassignment is over when it is answered and none can be cancelled.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, string } from '../../protocol/schema.ts'
import type { Topic } from '../../store/topic.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const alterPartitionReassignmentsApi = defineApi({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: '0-1',
  flexible: '0+',
  request: {
    timeoutMs: int32('0+', { default: 60000 }),
    allowReplicationFactorChange: bool('1+', { default: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32(), '0+', { nullable: '0+', default: null }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    allowReplicationFactorChange: bool('1+', { default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    responses: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+' }),
      }),
    }),
  },
})

type Request = RequestOf<typeof alterPartitionReassignmentsApi>
type AskedTopic = Request['topics'][number]
type AskedPartition = AskedTopic['partitions'][number]
type Fault = { readonly errorCode: ErrorCode; readonly reason: string }

export const alterPartitionReassignments: ServedApi = serve(alterPartitionReassignmentsApi, {
  async handle(broker, request) {
    const responses = []
    for (const asked of request.topics) responses.push(await reassign(broker, request, asked))
    const { allowReplicationFactorChange } = request
    const { none: errorCode } = errorCodes
    return { allowReplicationFactorChange, errorCode, errorMessage: null, responses }
  },
  fail: (request, errorCode) => ({
    errorCode,
    errorMessage: errorCodeName(errorCode),
    responses: request.topics.map((asked) =>
      answer(asked, () => ({ errorCode, reason: errorCodeName(errorCode) })),
    ),
  }),
})

async function reassign(broker: BrokerEnvironment, request: Request, asked: AskedTopic) {
  const { store, cluster, logger } = broker
  const { name } = asked
  const topic = store.topic(name)
  const faults = new Map<AskedPartition, Fault>()
  const assignments =
    topic === undefined
      ? []
      : Array.from({ length: topic.partitionCount }, (_, i) => cluster.replicasOf(topic, i))
  let isChanged = false
  for (const partition of asked.partitions) {
    const { partitionIndex, replicas } = partition
    const fault = faultOf(broker, request, topic, partition)
    if (fault !== undefined) faults.set(partition, fault)
    else if (replicas !== null && String(assignments[partitionIndex]) !== String(replicas)) {
      assignments[partitionIndex] = replicas
      isChanged = true
    }
  }
  if (isChanged) {
    try {
      await store.assignReplicas(name, assignments)
      logger.info({ topic: name }, 'partitions assigned to nodes')
    } catch (error) {
      const fault = { errorCode: broker.faults.codeOf(error), reason: errorMessageOf(error) }
      return answer(asked, () => fault)
    }
  }
  return answer(asked, (partition) => faults.get(partition))
}

function faultOf(
  { cluster }: BrokerEnvironment,
  { allowReplicationFactorChange }: Request,
  topic: Topic | undefined,
  { partitionIndex, replicas }: AskedPartition,
): Fault | undefined {
  if (topic === undefined || partitionIndex < 0 || partitionIndex >= topic.partitionCount) {
    const errorCode = errorCodes.unknownTopicOrPartition
    return { errorCode, reason: 'there is no such partition' }
  }
  if (replicas === null) {
    const errorCode = errorCodes.noReassignmentInProgress
    return { errorCode, reason: 'no reassignment is under way' }
  }
  const reason = cluster.faultOf(replicas)
  if (reason !== undefined) return { errorCode: errorCodes.invalidReplicaAssignment, reason }
  const count = cluster.replicasOf(topic, partitionIndex).length
  if (allowReplicationFactorChange || replicas.length === count) return undefined
  const errorCode = errorCodes.invalidReplicationFactor
  return { errorCode, reason: `${replicas.length} replicas where there are ${count}` }
}

function answer(
  { name, partitions }: AskedTopic,
  faultOfPartition: (partition: AskedPartition) => Fault | undefined,
) {
  return {
    name,
    partitions: partitions.map((partition) => {
      const fault = faultOfPartition(partition)
      return {
        partitionIndex: partition.partitionIndex,
        errorCode: fault?.errorCode ?? errorCodes.none,
        errorMessage: fault?.reason ?? null,
      }
    }),
  }
}
