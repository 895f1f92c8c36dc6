/**
 * Metadata: which topics there are and where to find them.
 *
 * A topic that is named, missing, and may be created is created before the answer. Kafka says first
 * that there is none and creates it then: kafkajs logs an error for that and waits 0.3 s, and its
 * consumers give up on it. Only a topic that was deleted a moment ago is answered so, with the one
 * of Kafka's two codes that every client tries again on: who asks may want to see that it is gone.
 */

import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, string, uuid, zeroUuid } from '../../protocol/schema.ts'
import type { Topic } from '../../store/topic.ts'
import { clusterOperations, operationsNotAsked, topicOperations } from '../authorized-operations.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { warnOfCompaction } from '../compaction-notice.ts'
import { describePartition } from '../partition-description.ts'
import { missingTopicCode, missingTopicCodeOf } from '../partition-lookup.ts'
import { type RequestContext, type ServedApi, serve } from '../served-api.ts'

export const metadataApi = defineApi({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    topics: array(
      {
        topicId: uuid('10+', { ignorable: true }),
        name: string('0+', { nullable: '10+' }),
      },
      '0+',
      { nullable: '1+' },
    ),
    allowAutoTopicCreation: bool('4+', { default: true }),
    includeClusterAuthorizedOperations: bool('8-10', { default: false }),
    includeTopicAuthorizedOperations: bool('8+', { default: false }),
  },
  response: {
    throttleTimeMs: int32('3+', { default: 0, ignorable: true }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string('1+', { nullable: '1+', default: null, ignorable: true }),
    }),
    clusterId: string('2+', { nullable: '2+', default: null, ignorable: true }),
    controllerId: int32('1+', { default: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string('0+', { nullable: '12+' }),
      topicId: uuid('10+', { ignorable: true }),
      isInternal: bool('1+', { default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32('7+', { default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), '5+', { ignorable: true }),
      }),
      topicAuthorizedOperations: int32('8+', { default: -2_147_483_648 }),
    }),
    clusterAuthorizedOperations: int32('8-10', { default: -2_147_483_648 }),
    errorCode: int16('13+', { ignorable: true }),
  },
})

type Request = RequestOf<typeof metadataApi>
type AskedTopic = NonNullable<Request['topics']>[number]
type Response = ResponseInputOf<typeof metadataApi>
type TopicAnswer = Response['topics'][number]

/** From here on topics may be named by id, and answered without a name. */
const byIdVersion = 12

export const metadata: ServedApi = serve(metadataApi, {
  handle(broker, request, context) {
    const asked = askedTopics(request, context.apiVersion)
    if (asked === 'all') {
      const topics = [...broker.store.topics()].sort(byName)
      return respond(
        broker,
        request,
        context,
        topics.map((topic) => describe(broker, request, topic)),
      )
    }
    const answers = asked.map((topic) => answerTopic(broker, request, context, topic))
    if (!answers.some((answer) => answer instanceof Promise)) {
      return respond(broker, request, context, answers as TopicAnswer[])
    }
    return Promise.all(answers).then((topics) => respond(broker, request, context, topics))
  },
  fail: (request, errorCode) => ({
    brokers: [],
    topics: (request.topics ?? []).map((topic) => failure(topic, errorCode)),
    errorCode,
  }),
})

function askedTopics(request: Request, apiVersion: number): readonly AskedTopic[] | 'all' {
  const { topics } = request
  if (topics === null || (apiVersion === 0 && topics.length === 0)) return 'all'
  return topics
}

function respond(
  { store, cluster, settings }: BrokerEnvironment,
  request: Request,
  { listener }: RequestContext,
  topics: readonly TopicAnswer[],
): Response {
  return {
    brokers: listener.brokers.map((broker) => ({ ...broker, rack: settings.rack })),
    clusterId: store.clusterId,
    controllerId: cluster.controllerId,
    topics,
    ...(request.includeClusterAuthorizedOperations
      ? { clusterAuthorizedOperations: clusterOperations }
      : {}),
  }
}

function answerTopic(
  broker: BrokerEnvironment,
  request: Request,
  { apiVersion }: RequestContext,
  asked: AskedTopic,
): TopicAnswer | Promise<TopicAnswer> {
  const { store } = broker
  if (asked.name === null || asked.topicId !== zeroUuid) {
    if (apiVersion < byIdVersion) return failure(asked, errorCodes.invalidRequest)
    const topic = store.topicById(asked.topicId)
    if (topic !== undefined) return describe(broker, request, topic)
    return { ...failure(asked, errorCodes.unknownTopicId), name: null }
  }
  const topic = store.topic(asked.name)
  if (topic !== undefined) return describe(broker, request, topic)
  if (broker.settings.autoCreateTopics && request.allowAutoTopicCreation) {
    return createTopic(broker, request, asked, asked.name)
  }
  return failure(asked, missingTopicCode(broker, asked.name))
}

async function createTopic(
  broker: BrokerEnvironment,
  request: Request,
  asked: AskedTopic,
  name: string,
): Promise<TopicAnswer> {
  const { creations, deletions, faults, logger } = broker
  let creation = creations.get(name)
  if (creation === undefined) {
    creation = createNow(broker, name).finally(() => creations.delete(name))
    creations.set(name, creation)
  }
  if (deletions.take(name)) {
    creation.catch((error: unknown) => {
      logger.warn({ topic: name, error: String(error) }, 'topic not created on first use')
    })
    return failure(asked, errorCodes.leaderNotAvailable)
  }
  try {
    return describe(broker, request, await creation)
  } catch (error) {
    return failure(asked, missingTopicCodeOf(faults, error))
  }
}

async function createNow(
  { store, settings, logger }: BrokerEnvironment,
  name: string,
): Promise<Topic> {
  const topic = await store.createTopic(name, {
    partitions: settings.defaultPartitions,
    replicationFactor: settings.defaultReplicationFactor,
  })
  logger.info({ topic: name, partitions: topic.partitionCount }, 'topic created on first use')
  warnOfCompaction(logger, topic)
  return topic
}

function describe(broker: BrokerEnvironment, request: Request, topic: Topic): TopicAnswer {
  return {
    errorCode: errorCodes.none,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.isInternal,
    partitions: Array.from({ length: topic.partitionCount }, (_, partitionIndex) =>
      describePartition(broker, topic, partitionIndex),
    ),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations
      ? topicOperations
      : operationsNotAsked,
  }
}

function failure(asked: AskedTopic, errorCode: ErrorCode): TopicAnswer {
  return { errorCode, name: asked.name ?? '', topicId: asked.topicId, partitions: [] }
}

function byName(a: Topic, b: Topic): number {
  return a.name < b.name ? -1 : 1
}
