/**
 * ElectLeaders: the preferred replica of every partition leads it at all times, so no election is
 * ever needed, and that is the answer for every partition that is named.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const electLeadersApi = defineApi({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  request: {
    electionType: int8('1+', { default: 0, ignorable: true }),
    topicPartitions: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      '0+',
      { nullable: '0+' },
    ),
    timeoutMs: int32('0+', { default: 60000 }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16('1+', { ignorable: true }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+' }),
      }),
    }),
  },
})

type Request = RequestOf<typeof electLeadersApi>
type Response = ResponseInputOf<typeof electLeadersApi>

const preferred = 0
const unclean = 1

export const electLeaders: ServedApi = serve(electLeadersApi, {
  handle({ store }, request) {
    const { electionType } = request
    if (electionType !== preferred && electionType !== unclean) {
      return answer(request, errorCodes.invalidRequest, () => errorCodes.invalidRequest)
    }
    return answer(request, errorCodes.none, (name, partition) => {
      const count = store.topic(name)?.partitionCount ?? 0
      const isThere = partition >= 0 && partition < count
      return isThere ? errorCodes.electionNotNeeded : errorCodes.unknownTopicOrPartition
    })
  },
  fail: (request, errorCode) => answer(request, errorCode, () => errorCode),
  mayOverlap: true,
})

/** Asked about all partitions, those with nothing to do are left out: that is all of them. */
function answer(
  { topicPartitions }: Request,
  errorCode: ErrorCode,
  codeOf: (topic: string, partition: number) => ErrorCode,
): Response {
  return {
    errorCode,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => {
        const code = codeOf(topic, partitionId)
        return { partitionId, errorCode: code, errorMessage: errorCodeName(code) }
      }),
    })),
  }
}
