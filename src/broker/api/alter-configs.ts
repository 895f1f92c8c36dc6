/**
 * AlterConfigs: the settings given replace all that a topic sets itself; what is not named falls
 * back to the default. Older clients have only this.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int8, int16, int32, string } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import {
  type ChangeResult,
  changeConfig,
  isRepeated,
  operations,
  refuse,
} from '../config-change.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const alterConfigsApi = defineApi({
  key: 33,
  name: 'AlterConfigs',
  versions: '0-2',
  flexible: '2+',
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string('0+', { nullable: '0+' }),
      }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    responses: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
})

type Request = RequestOf<typeof alterConfigsApi>

export const alterConfigs: ServedApi = serve(alterConfigsApi, {
  async handle(broker, request) {
    const responses: ChangeResult[] = []
    for (const resource of request.resources) responses.push(await alter(broker, request, resource))
    return { responses }
  },
  fail: (request, errorCode) => ({
    responses: request.resources.map((resource) =>
      refuse(resource, errorCode, errorCodeName(errorCode)),
    ),
  }),
})

async function alter(
  broker: BrokerEnvironment,
  { resources, validateOnly }: Request,
  resource: Request['resources'][number],
): Promise<ChangeResult> {
  if (isRepeated(resources, resource)) {
    return refuse(resource, errorCodes.invalidRequest, 'named more than once')
  }
  const { configs } = resource
  const changes = configs.map(({ name, value }) => ({ name, value, operation: operations.set }))
  return changeConfig(broker, resource, changes, { validateOnly, replacesAll: true })
}
