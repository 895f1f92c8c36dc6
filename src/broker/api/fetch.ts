/**
 * Fetch: record batches as they lie in the files, whole and untouched, as regions of those files.
 *
 * Incremental fetch sessions are in fetch-sessions.ts. Versions 0–3 would need record formats that are gone: they are advertised
 * with the others and answered with UNSUPPORTED_VERSION. What may be read, how much, and when to
 * wait is in fetch-plan.ts.
 */
import { inTurns, type Steps } from '../../base/steps.ts'
import { type FileSlice, loadSlice } from '../../platform/file-slice.ts'
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import {
  array,
  int8,
  int16,
  int32,
  int64,
  records,
  saturatedInt64,
  string,
  struct,
  uuid,
} from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { PartitionData } from '../fetch-partition.ts'
import { type FetchEntry, FetchPlan } from '../fetch-plan.ts'
import type { SessionFetch, SessionPartition } from '../fetch-sessions.ts'
import { findLog, findTopic } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const fetchApi = defineApi({
  key: 1,
  name: 'Fetch',
  versions: '0-18',
  flexible: '12+',
  request: {
    clusterId: string('12+', { nullable: '12+', tag: 0, default: null, ignorable: true }),
    replicaId: int32('0-14', { default: -1 }),
    replicaState: struct(
      {
        replicaId: int32('15+', { default: -1 }),
        replicaEpoch: int64('15+', { default: -1 }),
      },
      '15+',
      { tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32('3+', { default: 0x7fff_ffff, ignorable: true }),
    isolationLevel: int8('4+', { default: 0, ignorable: true }),
    sessionId: int32('7+', { default: 0, ignorable: true }),
    sessionEpoch: int32('7+', { default: -1, ignorable: true }),
    topics: array({
      topic: string('0-12', { ignorable: true }),
      topicId: uuid('13+', { ignorable: true }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32('9+', { default: -1, ignorable: true }),
        fetchOffset: saturatedInt64(),
        lastFetchedEpoch: int32('12+', { default: -1 }),
        logStartOffset: saturatedInt64('5+', { default: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid('17+', { tag: 0, ignorable: true }),
        highWatermark: saturatedInt64('18+', {
          tag: 1,
          default: Number.MAX_SAFE_INTEGER,
          ignorable: true,
        }),
      }),
    }),
    forgottenTopicsData: array(
      {
        topic: string('7-12', { ignorable: true }),
        topicId: uuid('13+', { ignorable: true }),
        partitions: array(int32(), '7+'),
      },
      '7+',
      { default: [] },
    ),
    rackId: string('11+', { default: '', ignorable: true }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16('7+', { ignorable: true }),
    sessionId: int32('7+', { default: 0 }),
    responses: array({
      topic: string('0-12', { ignorable: true }),
      topicId: uuid('13+', { ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64('4+', { default: -1, ignorable: true }),
        logStartOffset: int64('5+', { default: -1, ignorable: true }),
        divergingEpoch: struct(
          {
            epoch: int32('12+', { default: -1 }),
            endOffset: int64('12+', { default: -1 }),
          },
          '12+',
          { tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32('12+', { default: -1 }),
            leaderEpoch: int32('12+', { default: -1 }),
          },
          '12+',
          { tag: 1 },
        ),
        snapshotId: struct(
          {
            endOffset: int64('0+', { default: -1 }),
            epoch: int32('0+', { default: -1 }),
          },
          '12+',
          { tag: 2 },
        ),
        abortedTransactions: array(
          {
            producerId: int64('4+'),
            firstOffset: int64('4+'),
          },
          '4+',
          { nullable: '4+', ignorable: true },
        ),
        preferredReadReplica: int32('11+', { default: -1 }),
        records: records('0+', { nullable: '0+' }),
      }),
    }),
    nodeEndpoints: array(
      {
        nodeId: int32('16+'),
        host: string('16+'),
        port: int32('16+'),
        rack: string('16+', { nullable: '16+', default: null }),
      },
      '16+',
      { tag: 0 },
    ),
  },
})

type Request = RequestOf<typeof fetchApi>
type Response = ResponseInputOf<typeof fetchApi>
type TopicAnswer = { topic: string; topicId: string; partitions: PartitionData[] }

const firstVersionOfBatches = 4
const firstVersionOfZstd = 10
const firstVersionOfTopicIds = 13

export const fetch: ServedApi = serve(fetchApi, {
  handle(broker, request, context) {
    const { apiVersion } = context
    if (apiVersion < firstVersionOfBatches) return fail(request, errorCodes.unsupportedVersion)
    const begun = broker.fetchSessions.begin(request, apiVersion >= firstVersionOfTopicIds)
    if (typeof begun === 'number') return { errorCode: begun, responses: [] }
    const limits = { ...request, allowsZstd: apiVersion >= firstVersionOfZstd }
    const answer = (entries: SessionEntry[]) => {
      const plan = new FetchPlan(broker, limits, entries)
      if (!plan.mustCount()) return answerInTime(plan)
      return onceLoaded(plan.coldParts(), () => {
        plan.count()
        return answerInTime(plan)
      })
    }
    const answerInTime = (plan: FetchPlan<SessionEntry>) => {
      if (plan.isReady()) return respondOnceWarm(plan, begun)
      return broker.parking
        .park({
          watched: plan.logs(),
          waitMs: request.maxWaitMs,
          signal: context.signal,
          isReady: (changed) => plan.isReadyAfter(changed),
        })
        .then(() => respondOnceWarm(plan, begun))
    }
    const finding = entriesOf(begun, broker)
    const found = finding.next()
    if (found.done === true) return answer(found.value)
    return inTurns(finding, broker.clock).then(answer)
  },
  fail,
  mayOverlap: true,
})

type SessionEntry = FetchEntry & { readonly partition: SessionPartition }

/** A step for each log that has to be opened: a first fetch may be of thousands. */
function* entriesOf(
  { partitions }: SessionFetch,
  broker: BrokerEnvironment,
): Steps<SessionEntry[]> {
  const entries: SessionEntry[] = []
  let topic: ReturnType<typeof findTopic> = errorCodes.unknownTopicOrPartition
  let previous: SessionPartition | undefined
  for (const partition of partitions) {
    const { name, topicId, asked } = partition
    // Neighbours are of one topic as a rule.
    if (name !== previous?.name || topicId !== previous.topicId) {
      topic = findTopic(broker.store, partition)
    }
    previous = partition
    const isOpen = typeof topic === 'number' || topic.openLog(asked.partition) !== undefined
    const log = findLog(broker, topic, asked.partition)
    entries.push({ name, topicId, asked, partition, log })
    if (!isOpen) yield
  }
  return entries
}

/** Reading must not make all others wait for the disk. */
function respondOnceWarm(
  plan: FetchPlan<SessionEntry>,
  begun: SessionFetch,
): Response | Promise<Response> {
  return onceLoaded(plan.coldParts(), () => respond(plan, begun))
}

function onceLoaded<T>(cold: readonly FileSlice[], work: () => T | Promise<T>): T | Promise<T> {
  return cold.length === 0 ? work() : Promise.all(cold.map(loadSlice)).then(work)
}

/** One answer per topic, also when the request names a topic several times. */
function respond(plan: FetchPlan<SessionEntry>, begun: SessionFetch): Response {
  const { sessionId, session, isIncremental } = begun
  const byTopic = new Map<string, TopicAnswer>()
  for (const { entry, data } of plan.read()) {
    const isNews = session?.tell(entry.partition, data) ?? true
    if (isIncremental && !isNews) continue
    const key = `${entry.topicId}/${entry.name}`
    let answer = byTopic.get(key)
    if (answer === undefined) {
      answer = { topic: entry.name, topicId: entry.topicId, partitions: [] }
      byTopic.set(key, answer)
    }
    answer.partitions.push(data)
  }
  return { errorCode: errorCodes.none, sessionId, responses: [...byTopic.values()] }
}

function fail(request: Request, errorCode: ErrorCode): Response {
  return {
    errorCode,
    responses: request.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition }) => ({
        partitionIndex: partition,
        errorCode,
        highWatermark: -1,
        abortedTransactions: null,
        records: Buffer.alloc(0),
      })),
    })),
  }
}
