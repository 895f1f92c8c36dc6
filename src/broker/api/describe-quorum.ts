/**
 * DescribeQuorum: one voter, the first node, which leads what Kafka keeps in `__cluster_metadata`.
 * Here that is the log of the store's own table: its end is told as the high watermark, since every
 * change is durable before anybody hears of it. Further nodes observe the same log.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, string, uint16, uuid } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { ListenerContext } from '../frame-handler.ts'
import { type ServedApi, serve } from '../served-api.ts'

const replicaState = {
  replicaId: int32(),
  replicaDirectoryId: uuid('2+', { ignorable: true }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64('1+', { default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64('1+', { default: -1, ignorable: true }),
}

export const describeQuorumApi = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: array({
      topicName: string(),
      partitions: array({ partitionIndex: int32() }),
    }),
  },
  response: {
    errorCode: int16(),
    errorMessage: string('2+', { nullable: '2+', ignorable: true }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string('2+', { nullable: '2+', ignorable: true }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(replicaState),
        observers: array(replicaState),
      }),
    }),
    nodes: array(
      {
        nodeId: int32('2+'),
        listeners: array({ name: string('2+'), host: string('2+'), port: uint16('2+') }, '2+'),
      },
      '2+',
      { ignorable: true },
    ),
  },
})

type Request = RequestOf<typeof describeQuorumApi>
type Response = ResponseInputOf<typeof describeQuorumApi>
type Partition = Response['topics'][number]['partitions'][number]

const quorumTopic = '__cluster_metadata'

export const describeQuorum: ServedApi = serve(describeQuorumApi, {
  handle(broker, request, { listener }) {
    const { topics } = request
    const isQuorum =
      topics.length === 1 &&
      topics[0]!.topicName === quorumTopic &&
      topics[0]!.partitions.length === 1 &&
      topics[0]!.partitions[0]!.partitionIndex === 0
    if (!isQuorum) {
      const unknown = errorCodes.unknownTopicOrPartition
      return answer(request, (index) => refuse(index, unknown), [])
    }
    return answer(request, () => describe(broker), nodesOf(broker, listener))
  },
  fail: (request, errorCode) => ({
    ...answer(request, (index) => refuse(index, errorCode), []),
    errorCode,
    errorMessage: errorCodeName(errorCode),
  }),
  mayOverlap: true,
})

function answer(
  { topics }: Request,
  partitionOf: (index: number) => Partition,
  nodes: NonNullable<Response['nodes']>,
): Response {
  return {
    errorCode: errorCodes.none,
    errorMessage: null,
    topics: topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => partitionOf(partitionIndex)),
    })),
    nodes,
  }
}

function describe({ store, cluster, clock }: BrokerEnvironment): Partition {
  const nowMs = clock.now()
  const { metadataOffset, leaderEpoch } = store
  const replica = (replicaId: number) => ({
    replicaId,
    logEndOffset: metadataOffset,
    lastFetchTimestamp: nowMs,
    lastCaughtUpTimestamp: nowMs,
  })
  const { controllerId, nodeIds } = cluster
  return {
    partitionIndex: 0,
    errorCode: errorCodes.none,
    errorMessage: null,
    leaderId: controllerId,
    leaderEpoch,
    highWatermark: metadataOffset,
    currentVoters: [replica(controllerId)],
    observers: nodeIds.filter((nodeId) => nodeId !== controllerId).map(replica),
  }
}

/** Where the voter is reached. */
function nodesOf({ cluster }: BrokerEnvironment, { name, brokers }: ListenerContext) {
  return brokers
    .filter(({ nodeId }) => nodeId === cluster.controllerId)
    .map(({ nodeId, host, port }) => ({ nodeId, listeners: [{ name, host, port }] }))
}

function refuse(partitionIndex: number, errorCode: ErrorCode): Partition {
  return {
    partitionIndex,
    errorCode,
    errorMessage: errorCodeName(errorCode),
    leaderId: -1,
    leaderEpoch: -1,
    highWatermark: -1,
    currentVoters: [],
    observers: [],
  }
}
