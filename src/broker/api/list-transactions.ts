/** ListTransactions: there is none, whatever is asked for. */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, saturatedInt64, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const listTransactionsApi = defineApi({
  key: 66,
  name: 'ListTransactions',
  versions: '0-2',
  flexible: '0+',
  request: {
    stateFilters: array(string()),
    producerIdFilters: array(saturatedInt64()),
    durationFilter: saturatedInt64('1+', { default: -1 }),
    transactionalIdPattern: string('2+', { nullable: '2+', default: null }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    }),
  },
})

/** As clients name them. */
const states: ReadonlySet<string> = new Set([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
])

export const listTransactions: ServedApi = serve(listTransactionsApi, {
  handle: (_broker, request) => ({
    errorCode: errorCodeOf(request),
    unknownStateFilters: request.stateFilters.filter((state) => !states.has(state)),
    transactionStates: [],
  }),
  fail: (_request, errorCode) => ({ errorCode, unknownStateFilters: [], transactionStates: [] }),
  mayOverlap: true,
})

function errorCodeOf({ transactionalIdPattern }: RequestOf<typeof listTransactionsApi>): ErrorCode {
  try {
    new RegExp(transactionalIdPattern ?? '')
    return errorCodes.none
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return errorCodes.invalidRegularExpression
  }
}
