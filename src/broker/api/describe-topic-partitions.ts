/**
 * DescribeTopicPartitions: topics by name, a page at a time. A page holds at most `maxPartitions`
 * partitions; where the next one begins is told as a cursor, which the client sends back.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, string, struct, uuid } from '../../protocol/schema.ts'
import { operationsNotAsked, topicOperations } from '../authorized-operations.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { describePartition, type PartitionDescription } from '../partition-description.ts'
import { missingTopicCode } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeTopicPartitionsApi = defineApi({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array({
      name: string(),
    }),
    responsePartitionLimit: int32('0+', { default: 2000 }),
    cursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      '0+',
      { nullable: '0+', default: null },
    ),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string('0+', { nullable: '0+' }),
      topicId: uuid('0+', { ignorable: true }),
      isInternal: bool('0+', { default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32('0+', { default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), '0+', { nullable: '0+', default: null }),
        lastKnownElr: array(int32(), '0+', { nullable: '0+', default: null }),
        offlineReplicas: array(int32(), '0+', { ignorable: true }),
      }),
      topicAuthorizedOperations: int32('0+', { default: -2_147_483_648 }),
    }),
    nextCursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      '0+',
      { nullable: '0+', default: null },
    ),
  },
})

type Request = RequestOf<typeof describeTopicPartitionsApi>
type Response = ResponseInputOf<typeof describeTopicPartitionsApi>
type TopicAnswer = Response['topics'][number]

/** Partitions of one answer, whatever the client asks for. */
const maxPartitions = 2000

export const describeTopicPartitions: ServedApi = serve(describeTopicPartitionsApi, {
  handle(broker, request) {
    const { cursor } = request
    const names = askedNames(broker, request)
    if (cursor !== null && (cursor.partitionIndex < 0 || !names.includes(cursor.topicName))) {
      return fail(request, errorCodes.invalidRequest)
    }
    const topics: TopicAnswer[] = []
    let left = Math.max(1, Math.min(request.responsePartitionLimit, maxPartitions))
    for (const name of names) {
      if (cursor !== null && name < cursor.topicName) continue
      const first = cursor?.topicName === name ? cursor.partitionIndex : 0
      if (left === 0) return { topics, nextCursor: { topicName: name, partitionIndex: first } }
      const { answer, next } = page(broker, name, first, left)
      topics.push(answer)
      left -= answer.partitions.length
      if (next !== undefined) {
        return { topics, nextCursor: { topicName: name, partitionIndex: next } }
      }
    }
    return { topics, nextCursor: null }
  },
  fail,
  mayOverlap: true,
})

/** Each once, in order of name; no names mean all. */
function askedNames({ store }: BrokerEnvironment, { topics }: Request): string[] {
  const named = topics.length === 0 ? store.topics() : topics
  return [...new Set(Array.from(named, ({ name }) => name))].sort()
}

/** At most `limit` partitions of a topic from `first` on, and where it goes on. */
function page(
  broker: BrokerEnvironment,
  name: string,
  first: number,
  limit: number,
): { answer: TopicAnswer; next?: number } {
  const topic = broker.store.topic(name)
  if (topic === undefined) return { answer: failure(name, missingTopicCode(broker, name)) }
  const end = Math.min(topic.partitionCount, first + limit)
  const partitions = Array.from({ length: Math.max(0, end - first) }, (_, i) =>
    describeEligible(describePartition(broker, topic, first + i)),
  )
  const answer = {
    errorCode: errorCodes.none,
    name,
    topicId: topic.id,
    isInternal: topic.isInternal,
    partitions,
    topicAuthorizedOperations: topicOperations,
  }
  return end < topic.partitionCount ? { answer, next: end } : { answer }
}

/** No replica here is out of sync, so none waits to lead. Null is in the schema, but Java clients fail on it. */
function describeEligible(partition: PartitionDescription): TopicAnswer['partitions'][number] {
  return { ...partition, eligibleLeaderReplicas: [], lastKnownElr: [] }
}

function fail(request: Request, errorCode: ErrorCode): Response {
  return { topics: request.topics.map(({ name }) => failure(name, errorCode)), nextCursor: null }
}

function failure(name: string, errorCode: ErrorCode): TopicAnswer {
  return { errorCode, name, partitions: [], topicAuthorizedOperations: operationsNotAsked }
}
