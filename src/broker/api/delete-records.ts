/**
 * DeleteRecords: the log begins at the offset given, or at the high watermark for −1. An offset
 * below its start changes nothing. What is answered is where it begins then.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import {
  array,
  int16,
  int32,
  int64,
  saturatedInt64,
  string,
  zeroUuid,
} from '../../protocol/schema.ts'
import { listItems } from '../../store/config-definition.ts'
import type { Topic } from '../../store/topic.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { findLog, findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const deleteRecordsApi = defineApi({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  request: {
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        offset: saturatedInt64(),
      }),
    }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        lowWatermark: int64(),
        errorCode: int16(),
      }),
    }),
  },
})

type AskedPartition = RequestOf<typeof deleteRecordsApi>['topics'][number]['partitions'][number]

const upToHighWatermark = -1

export const deleteRecords: ServedApi = serve(deleteRecordsApi, {
  handle: async (broker, request) => {
    const topics = []
    for (const { name, partitions } of request.topics) {
      const topic = findTopic(broker.store, { name, topicId: zeroUuid })
      const refused = typeof topic === 'number' ? topic : refusal(topic)
      const answers = []
      for (const asked of partitions) {
        const answer =
          refused === undefined ? await trim(broker, topic, asked) : failure(asked, refused)
        const { partitionIndex: partition, lowWatermark } = answer
        if (answer.errorCode === errorCodes.none) {
          broker.logger.info({ topic: name, partition, logStart: lowWatermark }, 'records deleted')
        }
        answers.push(answer)
      }
      topics.push({ name, partitions: answers })
    }
    return { topics }
  },
  fail: (request, errorCode) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((asked) => failure(asked, errorCode)),
    })),
  }),
})

/** Why records of a topic are not deleted by offset: keys decide, or a broker's own state. */
function refusal(topic: Topic): ErrorCode | undefined {
  if (topic.isInternal) return errorCodes.invalidTopicException
  const policies = listItems(topic.config.get('cleanup.policy'))
  return policies.includes('delete') ? undefined : errorCodes.policyViolation
}

async function trim(broker: BrokerEnvironment, topic: Topic | ErrorCode, asked: AskedPartition) {
  const { partitionIndex, offset } = asked
  const log = findLog(broker, topic, partitionIndex)
  if (typeof log === 'number') return failure(asked, log)
  const target = offset === upToHighWatermark ? log.highWatermark : offset
  if (target < 0 || target > log.highWatermark) return failure(asked, errorCodes.offsetOutOfRange)
  try {
    await log.trimGently(target)
    return { partitionIndex, lowWatermark: log.startOffset as number, errorCode: errorCodes.none }
  } catch (error) {
    return failure(asked, broker.faults.codeOf(error))
  }
}

function failure({ partitionIndex }: AskedPartition, errorCode: ErrorCode) {
  return { partitionIndex, lowWatermark: -1, errorCode }
}
