/** CreatePartitions: raises a topic's number of partitions; `count` is the new total. */

import { InvalidOptionError } from '../../base/errors.ts'
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, string } from '../../protocol/schema.ts'
import { maxPartitions } from '../../store/store.ts'
import type { ReplicaAssignments } from '../../store/topic.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const createPartitionsApi = defineApi({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array(
        {
          brokerIds: array(int32()),
        },
        '0+',
        { nullable: '0+' },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+', default: null }),
    }),
  },
})

type AskedTopic = RequestOf<typeof createPartitionsApi>['topics'][number]
type Result = ResponseInputOf<typeof createPartitionsApi>['results'][number]

export const createPartitions: ServedApi = serve(createPartitionsApi, {
  async handle(broker, request) {
    const results: Result[] = []
    for (const asked of request.topics) {
      const isRepeated = request.topics.some(
        (other) => other !== asked && other.name === asked.name,
      )
      if (isRepeated) results.push(reject(asked, errorCodes.invalidRequest, 'named more than once'))
      else results.push(await grow(broker, asked, request.validateOnly))
    }
    return { results }
  },
  fail: (request, errorCode) => ({
    results: request.topics.map((asked) => reject(asked, errorCode, errorCodeName(errorCode))),
  }),
})

async function grow(
  { store, cluster, faults, logger }: BrokerEnvironment,
  asked: AskedTopic,
  validateOnly: boolean,
): Promise<Result> {
  const { name, count, assignments } = asked
  const topic = store.topic(name)
  if (topic === undefined) {
    return reject(asked, errorCodes.unknownTopicOrPartition, 'there is no such topic')
  }
  if (topic.isInternal) {
    return reject(asked, errorCodes.invalidTopicException, 'the topic is internal')
  }
  const added = count - topic.partitionCount
  if (added <= 0) {
    const reason = `${count} partitions in all: there are ${topic.partitionCount} already`
    return reject(asked, errorCodes.invalidPartitions, reason)
  }
  if (count > maxPartitions) {
    const reason = `${count} partitions in all: at most ${maxPartitions}`
    return reject(asked, errorCodes.invalidPartitions, reason)
  }
  let all: ReplicaAssignments | undefined
  if (assignments !== null) {
    const given = assignments.map(({ brokerIds }) => brokerIds)
    const fault = faultOf(given, added, cluster)
    if (fault !== undefined) return reject(asked, errorCodes.invalidReplicaAssignment, fault)
    const before = Array.from({ length: topic.partitionCount }, (_, partition) =>
      cluster.replicasOf(topic, partition),
    )
    all = [...before, ...given]
  }
  if (validateOnly) return { name, errorCode: errorCodes.none }
  try {
    await store.addPartitions(name, count, all)
    logger.info({ topic: name, partitions: count }, 'partitions added')
    return { name, errorCode: errorCodes.none }
  } catch (error) {
    const isCount = error instanceof InvalidOptionError
    const code = isCount ? errorCodes.invalidPartitions : faults.codeOf(error)
    return reject(asked, code, errorMessageOf(error))
  }
}

/** What is wrong with the replicas of `added` new partitions; undefined when nothing is. */
function faultOf(
  given: ReplicaAssignments,
  added: number,
  cluster: BrokerEnvironment['cluster'],
): string | undefined {
  if (given.length !== added) return `${given.length} assignments for ${added} new partitions`
  for (const replicas of given) {
    const fault = cluster.faultOf(replicas)
    if (fault !== undefined) return fault
  }
  return undefined
}

function reject({ name }: AskedTopic, errorCode: ErrorCode, errorMessage: string): Result {
  return { name, errorCode, errorMessage }
}
