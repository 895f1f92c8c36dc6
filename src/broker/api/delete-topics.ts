/** DeleteTopics: by name, from v6 on by name or id. Fetches parked on a deleted topic end. */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, string, uuid, zeroUuid } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const deleteTopicsApi = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: '0-6',
  flexible: '4+',
  request: {
    topics: array(
      {
        name: string('6+', { nullable: '6+', default: null }),
        topicId: uuid('6+'),
      },
      '6+',
    ),
    topicNames: array(string(), '0-5', { ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    responses: array({
      name: string('0+', { nullable: '6+' }),
      topicId: uuid('6+', { ignorable: true }),
      errorCode: int16(),
      errorMessage: string('5+', { nullable: '5+', default: null, ignorable: true }),
    }),
  },
})

type Request = RequestOf<typeof deleteTopicsApi>
type AskedTopic = Request['topics'][number]
type Result = ResponseInputOf<typeof deleteTopicsApi>['responses'][number]

export const deleteTopics: ServedApi = serve(deleteTopicsApi, {
  async handle(broker, request) {
    const responses: Result[] = []
    const asked = askedTopics(request)
    for (const topic of asked) {
      const isRepeated = asked.some((other) => other !== topic && isSame(other, topic))
      if (isRepeated) responses.push(reject(topic, errorCodes.invalidRequest, 'named twice'))
      else responses.push(await remove(broker, topic))
    }
    return { responses }
  },
  fail: (request, errorCode) => ({
    responses: askedTopics(request).map((topic) =>
      reject(topic, errorCode, errorCodeName(errorCode)),
    ),
  }),
})

/** One list, however the version names topics. */
function askedTopics({ topics, topicNames }: Request): AskedTopic[] {
  return [...topics, ...topicNames.map((name) => ({ name, topicId: zeroUuid }))]
}

function isSame(a: AskedTopic, b: AskedTopic): boolean {
  return a.name === null ? a.topicId === b.topicId : a.name === b.name
}

async function remove(
  { store, groups, deletions, faults, logger }: BrokerEnvironment,
  asked: AskedTopic,
): Promise<Result> {
  const isById = asked.topicId !== zeroUuid
  if (isById === (asked.name !== null)) {
    return reject(asked, errorCodes.invalidRequest, 'name a topic by name or by id')
  }
  const topic = isById ? store.topicById(asked.topicId) : store.topic(asked.name ?? '')
  if (topic === undefined) {
    const code = isById ? errorCodes.unknownTopicId : errorCodes.unknownTopicOrPartition
    return reject(asked, code, 'there is no such topic')
  }
  if (topic.isInternal) {
    return reject(asked, errorCodes.invalidTopicException, 'the topic is internal')
  }
  try {
    await store.deleteTopic(topic.name)
    deletions.note(topic.name)
    logger.info({ topic: topic.name }, 'topic deleted')
    await groups.onTopicDeleted(topic.name)
    return { name: topic.name, topicId: topic.id, errorCode: errorCodes.none }
  } catch (error) {
    return reject(asked, faults.codeOf(error), errorMessageOf(error))
  }
}

function reject({ name, topicId }: AskedTopic, errorCode: ErrorCode, errorMessage: string): Result {
  return { name, topicId, errorCode, errorMessage }
}
