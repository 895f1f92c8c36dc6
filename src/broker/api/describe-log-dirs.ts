/**
 * DescribeLogDirs: the one data directory, and how many bytes each partition has in it. What it
 * does not hold is left out.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, int64, string } from '../../protocol/schema.ts'
import type { Store } from '../../store/store.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeLogDirsApi = defineApi({
  key: 35,
  name: 'DescribeLogDirs',
  versions: '0-4',
  flexible: '2+',
  request: {
    topics: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      '0+',
      { nullable: '0+' },
    ),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16('3+', { ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64('4+', { default: -1, ignorable: true }),
      usableBytes: int64('4+', { default: -1, ignorable: true }),
    }),
  },
})

type AskedTopic = NonNullable<RequestOf<typeof describeLogDirsApi>['topics']>[number]

export const describeLogDirs: ServedApi = serve(describeLogDirsApi, {
  handle({ store }, request) {
    const topics = askedTopics(request.topics, store).flatMap(({ topic: name, partitions }) => {
      const topic = store.topic(name)
      if (topic === undefined) return []
      const held = partitions.filter((index) => index >= 0 && index < topic.partitionCount)
      return {
        name,
        partitions: held.map((partitionIndex) => ({
          partitionIndex,
          partitionSize: store.partitionBytes(topic, partitionIndex),
          offsetLag: 0,
          isFutureKey: false,
        })),
      }
    })
    const { none: errorCode } = errorCodes
    const { totalBytes, freeBytes: usableBytes } = store.space()
    const directory = { errorCode, logDir: store.path, topics, totalBytes, usableBytes }
    return { errorCode, results: [directory] }
  },
  fail: (_request, errorCode) => ({
    errorCode,
    results: [{ errorCode, logDir: '', topics: [] }],
  }),
  mayOverlap: true,
})

function askedTopics(topics: readonly AskedTopic[] | null, store: Store): readonly AskedTopic[] {
  if (topics !== null) return topics
  return Array.from(store.topics(), ({ name, partitionCount }) => ({
    topic: name,
    partitions: Array.from({ length: partitionCount }, (_, index) => index),
  }))
}
