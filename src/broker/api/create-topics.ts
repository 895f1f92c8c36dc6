/**
 * CreateTopics: one result per topic asked for, in that order; a topic is usable when the answer
 * leaves. Replicas are ids of nodes over one store (cluster.ts): one copy. −1 asks for the default: officially from
 * v4 on, but kafkajs sends it in v3 and Kafka takes it in any version, so we do too.
 */

import { InvalidOptionError } from '../../base/errors.ts'
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int8, int16, int32, string, uuid } from '../../protocol/schema.ts'
import type { ReplicaAssignments } from '../../store/topic.ts'
import type { TopicConfig } from '../../store/topic-config.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { warnOfCompaction } from '../compaction-notice.ts'
import { describeTopicConfig } from '../config-entry.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { type ServedApi, serve } from '../served-api.ts'
import type { StorageFaults } from '../storage-faults.ts'

export const createTopicsApi = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: '0-7',
  flexible: '5+',
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      }),
      configs: array({
        name: string(),
        value: string('0+', { nullable: '0+' }),
      }),
    }),
    timeoutMs: int32('0+', { default: 60000 }),
    validateOnly: bool('1+', { default: false }),
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    topics: array({
      name: string(),
      topicId: uuid('7+', { ignorable: true }),
      errorCode: int16(),
      errorMessage: string('1+', { nullable: '0+', default: null, ignorable: true }),
      topicConfigErrorCode: int16('5+', { tag: 0, ignorable: true }),
      numPartitions: int32('5+', { default: -1, ignorable: true }),
      replicationFactor: int16('5+', { default: -1, ignorable: true }),
      configs: array(
        {
          name: string('5+'),
          value: string('5+', { nullable: '5+' }),
          readOnly: bool('5+'),
          configSource: int8('5+', { default: -1, ignorable: true }),
          isSensitive: bool('5+'),
        },
        '5+',
        { nullable: '5+', ignorable: true },
      ),
    }),
  },
})

type Request = RequestOf<typeof createTopicsApi>
type AskedTopic = Request['topics'][number]
type Result = ResponseInputOf<typeof createTopicsApi>['topics'][number]
type Rejection = { readonly errorCode: ErrorCode; readonly reason: string }
/** What to create, once the request has been understood. */
type Plan = {
  readonly partitions: number
  readonly replicationFactor: number
  readonly assignments?: ReplicaAssignments
  readonly config: Record<string, string>
}

export const createTopics: ServedApi = serve(createTopicsApi, {
  async handle(broker, request) {
    const topics: Result[] = []
    for (const asked of request.topics) {
      const isRepeated = request.topics.some(
        (other) => other !== asked && other.name === asked.name,
      )
      if (isRepeated) topics.push(reject(asked, errorCodes.invalidRequest, 'named more than once'))
      else topics.push(await create(broker, asked, request.validateOnly))
    }
    return { topics }
  },
  fail: (request, errorCode) => ({
    topics: request.topics.map((asked) => reject(asked, errorCode, errorCodeName(errorCode))),
  }),
})

async function create(
  broker: BrokerEnvironment,
  asked: AskedTopic,
  validateOnly: boolean,
): Promise<Result> {
  const { store, logger } = broker
  const plan = planOf(asked, broker)
  if ('errorCode' in plan) return reject(asked, plan.errorCode, plan.reason)
  try {
    if (validateOnly) {
      store.validateTopic(asked.name, plan)
      return describe(broker, asked, plan, store.topicConfig(plan.config), undefined)
    }
    const topic = await store.createTopic(asked.name, plan)
    logger.info({ topic: topic.name, partitions: topic.partitionCount }, 'topic created')
    warnOfCompaction(logger, topic)
    return describe(broker, asked, plan, topic.config, topic.id)
  } catch (error) {
    return reject(asked, createCodeOf(broker.faults, error), errorMessageOf(error))
  }
}

function planOf(asked: AskedTopic, { settings, cluster }: BrokerEnvironment): Plan | Rejection {
  const { numPartitions, replicationFactor, assignments } = asked
  const config: Record<string, string> = {}
  for (const { name, value } of asked.configs) {
    if (value === null) return { errorCode: errorCodes.invalidConfig, reason: `${name} is null` }
    config[name] = value
  }
  if (assignments.length > 0) {
    if (numPartitions !== -1 || replicationFactor !== -1) {
      const reason = 'an assignment and counts exclude each other'
      return { errorCode: errorCodes.invalidRequest, reason }
    }
    const placement = placementOf(assignments, cluster)
    if ('reason' in placement) return placement
    return { partitions: assignments.length, ...placement, config }
  }
  if (numPartitions < 1 && numPartitions !== -1) {
    const reason = `${numPartitions} partitions: at least 1`
    return { errorCode: errorCodes.invalidPartitions, reason }
  }
  const factor = replicationFactor === -1 ? settings.defaultReplicationFactor : replicationFactor
  if (factor < 1 || (factor > cluster.size && !settings.lenientReplicationFactor)) {
    const nodes = cluster.size === 1 ? 'there is 1 node' : `there are ${cluster.size} nodes`
    const reason = `replication factor ${replicationFactor}: ${nodes}`
    return { errorCode: errorCodes.invalidReplicationFactor, reason }
  }
  const partitions = numPartitions === -1 ? settings.defaultPartitions : numPartitions
  return { partitions, replicationFactor: Math.min(factor, cluster.size), config }
}

/** Replicas by partition, when every partition from 0 on has some, and all the same number. */
function placementOf(
  assignments: AskedTopic['assignments'],
  cluster: BrokerEnvironment['cluster'],
): { replicationFactor: number; assignments: ReplicaAssignments } | Rejection {
  const errorCode = errorCodes.invalidReplicaAssignment
  const byIndex = new Map(assignments.map((each) => [each.partitionIndex, each.brokerIds]))
  const dense = assignments.map((_, index) => byIndex.get(index))
  const replicationFactor = assignments[0]!.brokerIds.length
  for (const [index, replicas] of dense.entries()) {
    if (replicas === undefined) {
      return { errorCode, reason: `partition ${index}: each from 0 on is assigned once` }
    }
    const fault = cluster.faultOf(replicas)
    if (fault !== undefined) return { errorCode, reason: `partition ${index}: ${fault}` }
    if (replicas.length !== replicationFactor) {
      return {
        errorCode,
        reason: `partition ${index}: ${replicationFactor} replicas, as others have`,
      }
    }
  }
  return { replicationFactor, assignments: dense as ReplicaAssignments }
}

/** Here a wrong option is a wrong number of partitions or a wrong setting. */
function createCodeOf(faults: StorageFaults, error: unknown): ErrorCode {
  if (!(error instanceof InvalidOptionError)) return faults.codeOf(error)
  return error.option === 'partitions' ? errorCodes.invalidPartitions : errorCodes.invalidConfig
}

/** @param id of the topic; undefined when it was only checked. */
function describe(
  broker: BrokerEnvironment,
  { name }: AskedTopic,
  plan: Plan,
  config: TopicConfig,
  id: string | undefined,
): Result {
  return {
    name,
    ...(id === undefined ? {} : { topicId: id }),
    errorCode: errorCodes.none,
    errorMessage: null,
    numPartitions: plan.partitions,
    replicationFactor: plan.replicationFactor,
    configs: describeTopicConfig(config, broker).map((entry) => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.configSource,
      isSensitive: false,
    })),
  }
}

function reject({ name }: AskedTopic, errorCode: ErrorCode, errorMessage: string): Result {
  return { name, errorCode, errorMessage, configs: [] }
}
