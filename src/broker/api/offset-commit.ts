/**
 * OffsetCommit: answered when the offsets are as durable as records produced with acks=all. What is
 * wrong with the group is said for every partition: the answer has no other place.
 *
 * Topics go by id from v10 on. Old clients give the commit a time (v1) or a retention (v2–4).
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, saturatedInt64, string, uuid } from '../../protocol/schema.ts'
import type { Topic } from '../../store/topic.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { OffsetToCommit } from '../groups/group-coordinator.ts'
import { findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const offsetCommitApi = defineApi({
  key: 8,
  name: 'OffsetCommit',
  versions: '0-10',
  flexible: '8+',
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32('1+', { default: -1, ignorable: true }),
    memberId: string('1+', { ignorable: true }),
    groupInstanceId: string('7+', { nullable: '7+', default: null }),
    retentionTimeMs: saturatedInt64('2-4', { default: -1, ignorable: true }),
    topics: array({
      name: string('0-9', { ignorable: true }),
      topicId: uuid('10+', { ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: saturatedInt64(),
        committedLeaderEpoch: int32('6+', { default: -1, ignorable: true }),
        commitTimestamp: saturatedInt64('1', { default: -1, ignorable: true }),
        committedMetadata: string('0+', { nullable: '0+' }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    topics: array({
      name: string('0-9', { ignorable: true }),
      topicId: uuid('10+', { ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})

type Request = RequestOf<typeof offsetCommitApi>
type AskedPartition = Request['topics'][number]['partitions'][number]
type Response = ResponseInputOf<typeof offsetCommitApi>
type PartitionAnswer = { partitionIndex: number; errorCode: ErrorCode }

const firstVersionOfGroupIdNotFound = 9

export const offsetCommit: ServedApi = serve(offsetCommitApi, {
  handle(broker, request, { apiVersion }) {
    const offsets: OffsetToCommit[] = []
    /** Answers that hold when the commit as a whole succeeds. */
    const pending: PartitionAnswer[] = []
    const response = {
      topics: request.topics.map(({ name, topicId, partitions }) => {
        const topic = findTopic(broker.store, { name, topicId })
        const answers = partitions.map((asked): PartitionAnswer => {
          const { partitionIndex } = asked
          const checked = check(broker, topic, asked, request)
          if (typeof checked === 'number') return { partitionIndex, errorCode: checked }
          offsets.push(checked)
          const answer = { partitionIndex, errorCode: errorCodes.none }
          pending.push(answer)
          return answer
        })
        return { name, topicId, partitions: answers }
      }),
    }
    const finish = (errorCode: ErrorCode): Response => {
      const isOld = apiVersion < firstVersionOfGroupIdNotFound
      const isUnknown = errorCode === errorCodes.groupIdNotFound
      const told = isUnknown && isOld ? errorCodes.illegalGeneration : errorCode
      for (const answer of pending) answer.errorCode = told
      return response
    }
    const { groupId, memberId, groupInstanceId: instanceId } = request
    const claim = { generation: request.generationIdOrMemberEpoch, memberId, instanceId }
    const outcome = broker.groups.commit(groupId, claim, offsets)
    return outcome instanceof Promise ? outcome.then(finish) : finish(outcome)
  },
  fail: (request, errorCode) => ({
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
  mayOverlap: true,
})

/** What to commit for a partition, or what is wrong with it. */
function check(
  { settings }: BrokerEnvironment,
  topic: Topic | ErrorCode,
  asked: AskedPartition,
  { retentionTimeMs }: Request,
): OffsetToCommit | ErrorCode {
  if (typeof topic === 'number') return topic
  const { partitionIndex: partition, committedOffset: offset, commitTimestamp } = asked
  if (partition < 0 || partition >= topic.partitionCount) {
    return errorCodes.unknownTopicOrPartition
  }
  const metadata = asked.committedMetadata ?? ''
  if (isLonger(metadata, settings.groups.offsetMetadataMaxBytes)) {
    return errorCodes.offsetMetadataTooLarge
  }
  // No log has such an offset, and it could not be given back as it came.
  if (Math.abs(offset) === Number.MAX_SAFE_INTEGER) return errorCodes.offsetOutOfRange
  return {
    topic: topic.name,
    topicId: topic.id,
    partition,
    offset,
    leaderEpoch: asked.committedLeaderEpoch,
    metadata,
    committedMs: commitTimestamp < 0 ? undefined : commitTimestamp,
    retentionMs: retentionTimeMs < 0 ? undefined : retentionTimeMs,
  }
}

/** Whether a text takes more than `limitBytes` in UTF-8; counts only where it may. */
function isLonger(text: string, limitBytes: number): boolean {
  return text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes
}
