/** DescribeTransactions: of no transaction, as none is carried out. */
import { defineApi, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeTransactionsApi = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  request: {
    transactionalIds: array(string()),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    transactionStates: array({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64(),
      producerEpoch: int16(),
      topics: array({ topic: string(), partitions: array(int32()) }),
    }),
  },
})

type State = ResponseInputOf<typeof describeTransactionsApi>['transactionStates'][number]

export const describeTransactions: ServedApi = serve(describeTransactionsApi, {
  handle: (_broker, { transactionalIds }) => ({
    transactionStates: transactionalIds.map((id) =>
      noState(id, id === '' ? errorCodes.invalidRequest : errorCodes.transactionalIdNotFound),
    ),
  }),
  fail: ({ transactionalIds }, errorCode) => ({
    transactionStates: transactionalIds.map((id) => noState(id, errorCode)),
  }),
  mayOverlap: true,
})

function noState(transactionalId: string, errorCode: ErrorCode): State {
  return {
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  }
}
