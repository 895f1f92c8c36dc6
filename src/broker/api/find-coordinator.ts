/**
 * FindCoordinator: the first node coordinates every group; one key up to v3, several from v4 on. Key
 * types: 0 group, 1 transaction (the first node says of each that there is none, and InitProducerId
 * refuses to begin one), 2 share group (v6; not served).
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import type { BrokerEndpoint } from '../frame-handler.ts'
import { type RequestContext, type ServedApi, serve } from '../served-api.ts'

export const findCoordinatorApi = defineApi({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: string('0-3', { default: '' }),
    keyType: int8('1+', { default: 0 }),
    coordinatorKeys: array(string(), '4+', { default: [] }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16('0-3', { default: 0 }),
    errorMessage: string('1-3', { nullable: '1-3', default: null, ignorable: true }),
    nodeId: int32('0-3', { default: 0 }),
    host: string('0-3', { default: '' }),
    port: int32('0-3', { default: 0 }),
    coordinators: array(
      {
        key: string('4+'),
        nodeId: int32('4+'),
        host: string('4+'),
        port: int32('4+'),
        errorCode: int16('4+'),
        errorMessage: string('4+', { nullable: '4+', default: null, ignorable: true }),
      },
      '4+',
      { default: [] },
    ),
  },
})

type Request = RequestOf<typeof findCoordinatorApi>
type Response = ResponseInputOf<typeof findCoordinatorApi>
type Place = {
  errorCode: ErrorCode
  errorMessage: string | null
  nodeId: number
  host: string
  port: number
}

const keyTypes = { group: 0, transaction: 1 }
const firstVersionOfSeveral = 4

export const findCoordinator: ServedApi = serve(findCoordinatorApi, {
  handle(_broker, request, context) {
    return answer(request, context.apiVersion, placeOf(request.keyType, context))
  },
  fail: (request, errorCode) => {
    const version = request.coordinatorKeys.length > 0 ? firstVersionOfSeveral : 0
    return answer(request, version, failure(errorCode, errorCodeName(errorCode)))
  },
  mayOverlap: true,
})

function placeOf(keyType: number, context: RequestContext): Place {
  if (keyType === keyTypes.group || keyType === keyTypes.transaction) {
    const { nodeId, host, port } = context.listener.brokers[0] as BrokerEndpoint
    return { errorCode: errorCodes.none, errorMessage: null, nodeId, host, port }
  }
  return failure(errorCodes.invalidRequest, `coordinators of key type ${keyType} are not served`)
}

function failure(errorCode: ErrorCode, errorMessage: string): Place {
  return { errorCode, errorMessage, nodeId: -1, host: '', port: -1 }
}

function answer({ coordinatorKeys }: Request, apiVersion: number, place: Place): Response {
  if (apiVersion < firstVersionOfSeveral) return place
  return { coordinators: coordinatorKeys.map((key) => ({ key, ...place })) }
}
