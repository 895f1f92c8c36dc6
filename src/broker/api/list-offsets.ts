/**
 * ListOffsets: offsets by time, or by name where the time is negative:
 *
 *     −1  latest: high watermark, or last stable offset for read_committed
 *     −2  earliest: log start                 −4  earliest on this disk (v8): the same
 *     −3  record with the largest time (v7)   −5  latest in a remote tier (v9): none
 *                                             −6  earliest not yet in it (v11): none
 *
 * "None" is offset −1 without error, as when no record is that young.
 */
import { inTurns, type Steps } from '../../base/steps.ts'
import type { Log } from '../../log/log.ts'
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import {
  array,
  int8,
  int16,
  int32,
  int64,
  saturatedInt64,
  string,
  zeroUuid,
} from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { checkLeaderEpoch, findLog, findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const listOffsetsApi = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: '0-11',
  flexible: '6+',
  request: {
    replicaId: int32(),
    isolationLevel: int8('2+'),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32('4+', { default: -1, ignorable: true }),
        timestamp: saturatedInt64(),
        maxNumOffsets: int32('0', { default: 1 }),
      }),
    }),
    timeoutMs: int32('10+', { ignorable: true }),
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        oldStyleOffsets: array(int64(), '0'),
        timestamp: int64('1+', { default: -1 }),
        offset: int64('1+', { default: -1 }),
        leaderEpoch: int32('4+', { default: -1, ignorable: true }),
      }),
    }),
  },
})

type Request = RequestOf<typeof listOffsetsApi>
type AskedPartition = Request['topics'][number]['partitions'][number]
type Found = { offset: number; timestamp: number; leaderEpoch: number }
type Answer = Partial<Found> & {
  partitionIndex: number
  errorCode: ErrorCode
  oldStyleOffsets: readonly number[]
}

const readCommitted = 1
const nothing: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 }

/** The version each negative timestamp came with. */
const namedSince = new Map([
  [-1, 0],
  [-2, 0],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
])

export const listOffsets: ServedApi = serve(listOffsetsApi, {
  handle: (broker, request, { apiVersion }) =>
    inTurns(answers(broker, request, apiVersion), broker.clock),
  fail: (request, errorCode) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((asked) => failure(asked, errorCode)),
    })),
  }),
  mayOverlap: true,
})

/** A step for each partition, whose log may have to be opened, and for each segment that is searched. */
function* answers(
  broker: BrokerEnvironment,
  request: Request,
  apiVersion: number,
): Steps<{ topics: { name: string; partitions: Answer[] }[] }> {
  const duplicates = duplicatesOf(request)
  const isCommitted = request.isolationLevel === readCommitted
  const topics: { name: string; partitions: Answer[] }[] = []
  for (const { name, partitions } of request.topics) {
    const topic = findTopic(broker.store, { name, topicId: zeroUuid })
    const found: Answer[] = []
    for (const asked of partitions) {
      const log = duplicates.has(`${name}-${asked.partitionIndex}`)
        ? errorCodes.invalidRequest
        : findLog(broker, topic, asked.partitionIndex)
      found.push(
        typeof log === 'number'
          ? failure(asked, log)
          : yield* answer(broker, log, asked, { apiVersion, isCommitted }),
      )
      yield
    }
    topics.push({ name, partitions: found })
  }
  return { topics }
}

function* answer(
  { store, faults }: BrokerEnvironment,
  log: Log,
  asked: AskedPartition,
  { apiVersion, isCommitted }: { apiVersion: number; isCommitted: boolean },
): Steps<Answer> {
  const epochError = checkLeaderEpoch(store, asked.currentLeaderEpoch)
  if (epochError !== errorCodes.none) return failure(asked, epochError)
  const since = asked.timestamp < 0 ? namedSince.get(asked.timestamp) : 0
  if (since === undefined || apiVersion < since) {
    return failure(asked, errorCodes.unsupportedVersion)
  }
  try {
    const found = yield* find(log, asked.timestamp, isCommitted)
    const success = { partitionIndex: asked.partitionIndex, errorCode: errorCodes.none }
    if (apiVersion > 0) return { ...success, oldStyleOffsets: [], ...found }
    const { offset } = found
    const isWanted = offset >= 0 && asked.maxNumOffsets > 0
    return { ...success, oldStyleOffsets: isWanted ? [offset] : [] }
  } catch (error) {
    return failure(asked, faults.codeOf(error))
  }
}

function* find(log: Log, timestamp: number, isCommitted: boolean): Steps<Found> {
  switch (timestamp) {
    case -1: {
      const offset = isCommitted ? log.lastStableOffset : log.highWatermark
      return { offset, timestamp: -1, leaderEpoch: log.leaderEpoch }
    }
    case -2:
    case -4: {
      const offset = log.startOffset
      return { offset, timestamp: -1, leaderEpoch: log.epochOf(offset) }
    }
    case -3:
      return (yield* log.searchMaxTimestamp()) ?? nothing
    case -5:
    case -6:
      return nothing
    default:
      return (yield* log.searchTimestamp(timestamp)) ?? nothing
  }
}

function failure({ partitionIndex }: AskedPartition, errorCode: ErrorCode): Answer {
  return { partitionIndex, errorCode, oldStyleOffsets: [], ...nothing }
}

/** Keys of partitions that are asked for more than once. */
function duplicatesOf(request: Request): ReadonlySet<string> {
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}-${partitionIndex}`
      if (seen.has(key)) duplicates.add(key)
      seen.add(key)
    }
  }
  return duplicates
}
