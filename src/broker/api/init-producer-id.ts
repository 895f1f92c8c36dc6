/**
 * InitProducerId: a producer id for an idempotent producer. Each is handed out once in the life of
 * the store; a producer id the client had before is ignored. Transactional producers are refused
 * for good: there is no transaction coordinator here.
 */
import { defineApi } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { int16, int32, int64, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const initProducerIdApi = defineApi({
  key: 22,
  name: 'InitProducerId',
  versions: '0-5',
  flexible: '2+',
  request: {
    transactionalId: string('0+', { nullable: '0+' }),
    transactionTimeoutMs: int32(),
    producerId: int64('3+', { default: -1 }),
    producerEpoch: int16('3+', { default: -1 }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0, ignorable: true }),
    errorCode: int16(),
    producerId: int64('0+', { default: -1 }),
    producerEpoch: int16(),
  },
})

export const initProducerId: ServedApi = serve(initProducerIdApi, {
  async handle({ store, faults }, request) {
    const { transactionalId } = request
    if (transactionalId === '') return failure(errorCodes.invalidRequest)
    if (transactionalId !== null) return failure(errorCodes.transactionalIdAuthorizationFailed)
    try {
      const producerId = await store.allocateProducerId()
      return { errorCode: errorCodes.none, producerId, producerEpoch: 0 }
    } catch (error) {
      return failure(faults.codeOf(error))
    }
  },
  fail: (_request, errorCode) => failure(errorCode),
  mayOverlap: true,
})

function failure(errorCode: ErrorCode) {
  return { errorCode, producerId: -1, producerEpoch: -1 }
}
