/**
 * OffsetForLeaderEpoch: where a leader epoch ended (KIP-320). A client whose position lies beyond
 * has seen records that a crash took.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, string, zeroUuid } from '../../protocol/schema.ts'
import { checkLeaderEpoch, findLog, findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const offsetForLeaderEpochApi = defineApi({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '0-4',
  flexible: '4+',
  request: {
    replicaId: int32('3+', { default: -2, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32('2+', { default: -1, ignorable: true }),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32('1+', { default: -1, ignorable: true }),
        endOffset: int64('0+', { default: -1 }),
      }),
    }),
  },
})

type AskedPartition = RequestOf<
  typeof offsetForLeaderEpochApi
>['topics'][number]['partitions'][number]

export const offsetForLeaderEpoch: ServedApi = serve(offsetForLeaderEpochApi, {
  handle: (broker, request) => ({
    topics: request.topics.map(({ topic: name, partitions }) => {
      const { store } = broker
      const topic = findTopic(store, { name, topicId: zeroUuid })
      return {
        topic: name,
        partitions: partitions.map((asked) => {
          const log = findLog(broker, topic, asked.partition)
          if (typeof log === 'number') return failure(asked, log)
          const epochError = checkLeaderEpoch(store, asked.currentLeaderEpoch)
          if (epochError !== errorCodes.none) return failure(asked, epochError)
          const { epoch, endOffset } = log.endOfEpoch(asked.leaderEpoch)
          const { partition } = asked
          return { errorCode: errorCodes.none, partition, leaderEpoch: epoch, endOffset }
        }),
      }
    }),
  }),
  fail: (request, errorCode) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((asked) => failure(asked, errorCode)),
    })),
  }),
  mayOverlap: true,
})

function failure({ partition }: AskedPartition, errorCode: ErrorCode) {
  return { errorCode, partition, leaderEpoch: -1, endOffset: -1 }
}
