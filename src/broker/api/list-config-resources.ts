/**
 * ListConfigResources: what has settings that can be asked for. Version 0 asks for subscriptions to
 * metrics of clients, of which there are none; no type named asks for all.
 */
import { defineApi, type ResponseInputOf } from '../../protocol/api.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const listConfigResourcesApi = defineApi({
  key: 74,
  name: 'ListConfigResources',
  versions: '0-1',
  flexible: '0+',
  request: {
    resourceTypes: array(int8('1+'), '1+', { ignorable: true }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8('1+', { default: 16, ignorable: true }),
    }),
  },
})

type Resource = ResponseInputOf<typeof listConfigResourcesApi>['configResources'][number]

/** As the protocol numbers them. */
const types = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const
const known: ReadonlySet<number> = new Set(Object.values(types))

export const listConfigResources: ServedApi = serve(listConfigResourcesApi, {
  handle(broker, { resourceTypes }, { apiVersion }) {
    if (resourceTypes.some((type) => !known.has(type))) {
      return { errorCode: errorCodes.unsupportedVersion, configResources: [] }
    }
    const isAll = resourceTypes.length === 0
    const asked = apiVersion === 0 ? [types.clientMetrics] : isAll ? [...known] : resourceTypes
    return {
      errorCode: errorCodes.none,
      configResources: [...new Set(asked)].flatMap((type) => resourcesOf(broker, type)),
    }
  },
  fail: (_request, errorCode) => ({ errorCode, configResources: [] }),
  mayOverlap: true,
})

/** Groups, metrics of clients and loggers of brokers have no settings here. */
function resourcesOf({ store, cluster }: BrokerEnvironment, resourceType: number): Resource[] {
  if (resourceType === types.topic) {
    return Array.from(store.topics(), ({ name }) => ({ resourceName: name, resourceType }))
  }
  if (resourceType !== types.broker) return []
  return cluster.nodeIds.map((nodeId) => ({ resourceName: String(nodeId), resourceType }))
}
