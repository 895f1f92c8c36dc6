/** ListPartitionReassignments: a reassignment is over when it is answered, so none is under way. */
import { defineApi } from '../../protocol/api.ts'
import { errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const listPartitionReassignmentsApi = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: '0',
  flexible: '0+',
  request: {
    timeoutMs: int32('0+', { default: 60000 }),
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      '0+',
      { nullable: '0+', default: null },
    ),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      }),
    }),
  },
})

export const listPartitionReassignments: ServedApi = serve(listPartitionReassignmentsApi, {
  handle: () => ({ errorCode: errorCodes.none, errorMessage: null, topics: [] }),
  fail: (_request, errorCode) => ({
    errorCode,
    errorMessage: errorCodeName(errorCode),
    topics: [],
  }),
  mayOverlap: true,
})
