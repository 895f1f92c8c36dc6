/**
 * DescribeConfigs: the settings of topics and of this broker, with where each value comes from.
 * A null or empty list of keys asks for all of them.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int8, int16, int32, string } from '../../protocol/schema.ts'
import { brokerConfig, sharedBrokerConfig } from '../broker-config.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { type ConfigDescription, describeTopicConfig } from '../config-entry.ts'
import { type RequestContext, type ServedApi, serve } from '../served-api.ts'

export const describeConfigsApi = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: '0-4',
  flexible: '4+',
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), '0+', { nullable: '0+' }),
    }),
    includeSynonyms: bool('1+', { default: false }),
    includeDocumentation: bool('3+', { default: false }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+', default: null }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string('0+', { nullable: '0+' }),
        readOnly: bool(),
        isDefault: bool('0', { ignorable: true }),
        configSource: int8('1+', { default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          {
            name: string('1+'),
            value: string('1+', { nullable: '0+' }),
            source: int8('1+'),
          },
          '1+',
          { ignorable: true },
        ),
        configType: int8('3+', { default: 0, ignorable: true }),
        documentation: string('3+', { nullable: '0+', default: null, ignorable: true }),
      }),
    }),
  },
})

type Request = RequestOf<typeof describeConfigsApi>
type Resource = Request['resources'][number]
type Result = ResponseInputOf<typeof describeConfigsApi>['results'][number]

const topicResource = 2
const brokerResource = 4
const defaultSource = 5

export const describeConfigs: ServedApi = serve(describeConfigsApi, {
  handle: (broker, request, context) => ({
    results: request.resources.map((resource) => describe(broker, request, resource, context)),
  }),
  fail: (request, errorCode) => ({
    results: request.resources.map((resource) =>
      reject(resource, errorCode, errorCodeName(errorCode)),
    ),
  }),
  mayOverlap: true,
})

function describe(
  broker: BrokerEnvironment,
  request: Request,
  resource: Resource,
  context: RequestContext,
): Result {
  const { resourceType, resourceName } = resource
  if (resourceType === topicResource) {
    const topic = broker.store.topic(resourceName)
    if (topic !== undefined) {
      return answer(request, resource, describeTopicConfig(topic.config, broker))
    }
    return reject(resource, errorCodes.unknownTopicOrPartition, 'there is no such topic')
  }
  if (resourceType === brokerResource) {
    // The empty name asks for what all brokers share, set at run time.
    if (resourceName === '') return answer(request, resource, sharedBrokerConfig(broker))
    if (broker.cluster.isNodeName(resourceName)) {
      const nodeId = Number(resourceName)
      return answer(request, resource, brokerConfig(broker, context.listener, nodeId))
    }
    const reason = `the brokers are ${broker.cluster.nodeIds.join(', ')}`
    return reject(resource, errorCodes.invalidRequest, reason)
  }
  return reject(
    resource,
    errorCodes.invalidRequest,
    `resource type ${resourceType} has no settings`,
  )
}

function answer(
  request: Request,
  resource: Resource,
  configs: readonly ConfigDescription[],
): Result {
  const { resourceType, resourceName, configurationKeys } = resource
  const isAll = configurationKeys === null || configurationKeys.length === 0
  return {
    errorCode: errorCodes.none,
    errorMessage: null,
    resourceType,
    resourceName,
    configs: configs
      .filter(({ name }) => isAll || configurationKeys.includes(name))
      .map(({ synonyms, documentation, ...config }) => ({
        ...config,
        isDefault: config.configSource === defaultSource,
        isSensitive: false,
        synonyms: request.includeSynonyms ? synonyms : [],
        documentation: request.includeDocumentation ? documentation : null,
      })),
  }
}

function reject(resource: Resource, errorCode: ErrorCode, errorMessage: string): Result {
  const { resourceType, resourceName } = resource
  return { errorCode, errorMessage, resourceType, resourceName, configs: [] }
}
