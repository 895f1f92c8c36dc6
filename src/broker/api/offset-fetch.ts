/**
 * OffsetFetch: committed offsets of one group, from v8 on of several. A partition without one has
 * offset −1 and no error. `topics: null` asks for all there are (v2).
 *
 * There are no transactions, so no offset is ever unstable and `requireStable` changes nothing;
 * nor are member id and epoch looked at, which are of groups of the newer protocol.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, int64, string, uuid, zeroUuid } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { Group } from '../groups/group.ts'
import { findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const offsetFetchApi = defineApi({
  key: 9,
  name: 'OffsetFetch',
  versions: '0-10',
  flexible: '6+',
  request: {
    groupId: string('0-7', { default: '' }),
    topics: array(
      {
        name: string('0-7'),
        partitionIndexes: array(int32(), '0-7'),
      },
      '0-7',
      { nullable: '2-7', default: [] },
    ),
    groups: array(
      {
        groupId: string('8+'),
        memberId: string('9+', { nullable: '9+', default: null, ignorable: true }),
        memberEpoch: int32('9+', { default: -1, ignorable: true }),
        topics: array(
          {
            name: string('8-9', { ignorable: true }),
            topicId: uuid('10+', { ignorable: true }),
            partitionIndexes: array(int32(), '8+'),
          },
          '8+',
          { nullable: '8+' },
        ),
      },
      '8+',
      { default: [] },
    ),
    requireStable: bool('7+', { default: false }),
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    topics: array(
      {
        name: string('0-7'),
        partitions: array(
          {
            partitionIndex: int32('0-7'),
            committedOffset: int64('0-7'),
            committedLeaderEpoch: int32('5-7', { default: -1, ignorable: true }),
            metadata: string('0-7', { nullable: '0-7' }),
            errorCode: int16('0-7'),
          },
          '0-7',
        ),
      },
      '0-7',
      { default: [] },
    ),
    errorCode: int16('2-7', { default: 0, ignorable: true }),
    groups: array(
      {
        groupId: string('8+'),
        topics: array(
          {
            name: string('8-9', { ignorable: true }),
            topicId: uuid('10+', { ignorable: true }),
            partitions: array(
              {
                partitionIndex: int32('8+'),
                committedOffset: int64('8+'),
                committedLeaderEpoch: int32('8+', { default: -1, ignorable: true }),
                metadata: string('8+', { nullable: '8+' }),
                errorCode: int16('8+'),
              },
              '8+',
            ),
          },
          '8+',
        ),
        errorCode: int16('8+', { default: 0 }),
      },
      '8+',
      { default: [] },
    ),
  },
})

type Request = RequestOf<typeof offsetFetchApi>
type Response = ResponseInputOf<typeof offsetFetchApi>
type AskedTopic = { name: string; topicId: string; partitionIndexes: readonly number[] }
type AskedGroup = { groupId: string; topics: readonly AskedTopic[] | null }
type TopicAnswer = { name: string; topicId: string; partitions: PartitionAnswer[] }
type PartitionAnswer = {
  partitionIndex: number
  committedOffset: number
  committedLeaderEpoch: number
  metadata: string
  errorCode: ErrorCode
}

const firstVersionOfSeveral = 8

export const offsetFetch: ServedApi = serve(offsetFetchApi, {
  async handle(broker, request, { apiVersion }) {
    const errorCode = broker.groups.availability
    if (errorCode !== errorCodes.none) return failed(request, apiVersion, errorCode)
    // A client that has pipelined a commit and a fetch finds what it committed.
    await broker.groups.settled()
    if (apiVersion >= firstVersionOfSeveral) {
      const groups = request.groups.map(({ groupId, topics }) => ({
        groupId,
        topics: fetch(broker, { groupId, topics }),
        errorCode,
      }))
      return { groups }
    }
    const topics = request.topics?.map((asked) => ({ ...asked, topicId: zeroUuid })) ?? null
    return { topics: fetch(broker, { groupId: request.groupId, topics }), errorCode }
  },
  fail: (request, errorCode) =>
    failed(request, request.groups.length > 0 ? firstVersionOfSeveral : 0, errorCode),
  mayOverlap: true,
})

function fetch(broker: BrokerEnvironment, { groupId, topics }: AskedGroup): TopicAnswer[] {
  const group = broker.groups.group(groupId)
  if (topics === null) return group === undefined ? [] : fetchAll(broker, group)
  return topics.map(({ name, topicId, partitionIndexes }) => {
    const topic = findTopic(broker.store, { name, topicId })
    const errorCode = topic === errorCodes.unknownTopicId && name === '' ? topic : errorCodes.none
    const partitions = partitionIndexes.map((partition) =>
      typeof topic === 'number' || group === undefined
        ? none(partition, errorCode)
        : fetchOne(broker, group, topic.name, partition),
    )
    return { name, topicId, partitions }
  })
}

function fetchAll(broker: BrokerEnvironment, group: Group): TopicAnswer[] {
  const byTopic = new Map<string, TopicAnswer>()
  for (const { topic: name, partition } of group.offsets.entries()) {
    const answer = fetchOne(broker, group, name, partition)
    const topic = broker.store.topic(name)
    if (topic === undefined || answer.committedOffset === none(partition).committedOffset) continue
    const found = byTopic.get(name) ?? { name, topicId: topic.id, partitions: [] }
    found.partitions.push(answer)
    byTopic.set(name, found)
  }
  return [...byTopic.values()]
}

function fetchOne(
  { groups }: BrokerEnvironment,
  group: Group,
  topic: string,
  partition: number,
): PartitionAnswer {
  const commit = groups.committed(group, topic, partition)
  if (commit === undefined) return none(partition)
  return {
    partitionIndex: partition,
    committedOffset: commit.offset,
    committedLeaderEpoch: commit.leaderEpoch,
    metadata: commit.metadata,
    errorCode: errorCodes.none,
  }
}

function none(partitionIndex: number, errorCode: ErrorCode = errorCodes.none): PartitionAnswer {
  const nothing = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '' }
  return { partitionIndex, ...nothing, errorCode }
}

/** Up to v1 there is no place for an error but in every partition. */
function failed(request: Request, apiVersion: number, errorCode: ErrorCode): Response {
  if (apiVersion >= firstVersionOfSeveral) {
    return { groups: request.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })) }
  }
  const topics = (request.topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => none(partition, errorCode)),
  }))
  return { topics, errorCode }
}
