/** DescribeCluster: the brokers there are, and who is controller: the first of them. */
import { defineApi } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int8, int16, int32, string } from '../../protocol/schema.ts'
import { clusterOperations, operationsNotAsked } from '../authorized-operations.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeClusterApi = defineApi({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8('1+', { default: 1 }),
    includeFencedBrokers: bool('2+'),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    endpointType: int8('1+', { default: 1 }),
    clusterId: string(),
    controllerId: int32('0+', { default: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string('0+', { nullable: '0+', default: null }),
      isFenced: bool('2+'),
    }),
    clusterAuthorizedOperations: int32('0+', { default: -2_147_483_648 }),
  },
})

const endpointBrokers = 1
const endpointControllers = 2

export const describeCluster: ServedApi = serve(describeClusterApi, {
  handle({ store, cluster, settings }, request, { listener }) {
    const { endpointType } = request
    const errorCode = checkEndpointType(endpointType)
    if (errorCode !== errorCodes.none) return failure(errorCode, endpointType)
    return {
      errorCode,
      endpointType,
      clusterId: store.clusterId,
      controllerId: cluster.controllerId,
      brokers: listener.brokers.map(({ nodeId, host, port }) => ({
        brokerId: nodeId,
        host,
        port,
        rack: settings.rack,
        isFenced: false,
      })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : operationsNotAsked,
    }
  },
  fail: (request, errorCode) => failure(errorCode, request.endpointType),
})

function checkEndpointType(endpointType: number): ErrorCode {
  if (endpointType === endpointBrokers) return errorCodes.none
  return endpointType === endpointControllers
    ? errorCodes.mismatchedEndpointType
    : errorCodes.unsupportedEndpointType
}

function failure(errorCode: ErrorCode, endpointType: number) {
  const errorMessage = errorCodeName(errorCode)
  return { errorCode, errorMessage, endpointType, clusterId: '', brokers: [] }
}
