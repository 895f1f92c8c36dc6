/** DescribeClientQuotas: quotas of the entities that have the components asked for. */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, float64, int8, int16, int32, string } from '../../protocol/schema.ts'
import { anyName, QuotaError, type QuotaFilter } from '../client-quotas.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeClientQuotasApi = defineApi({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: array({
      entityType: string(),
      matchType: int8(),
      match: string('0+', { nullable: '0+' }),
    }),
    strict: bool(),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    entries: array(
      {
        entity: array({
          entityType: string(),
          entityName: string('0+', { nullable: '0+' }),
        }),
        values: array({ key: string(), value: float64() }),
      },
      '0+',
      { nullable: '0+' },
    ),
  },
})

type Component = RequestOf<typeof describeClientQuotasApi>['components'][number]
type Response = ResponseInputOf<typeof describeClientQuotasApi>

const matchTypes = { exact: 0, unnamed: 1, any: 2 }

export const describeClientQuotas: ServedApi = serve(describeClientQuotasApi, {
  handle({ quotas }, { components, strict }) {
    try {
      const found = quotas.find(components.map(filterOf), strict)
      const entries = found.map(({ entity, values }) => ({
        entity: Object.entries(entity).map(([entityType, entityName]) => {
          return { entityType, entityName }
        }),
        values: Object.entries(values).map(([key, value]) => ({ key, value })),
      }))
      return { errorCode: errorCodes.none, errorMessage: null, entries }
    } catch (error) {
      if (!(error instanceof QuotaError)) throw error
      return failure(errorCodes.invalidRequest, error.message)
    }
  },
  fail: (_request, errorCode) => failure(errorCode, errorCodeName(errorCode)),
  mayOverlap: true,
})

function filterOf({ entityType, matchType, match }: Component): QuotaFilter {
  if (matchType === matchTypes.exact && match !== null) return { entityType, match }
  if (matchType === matchTypes.unnamed && match === null) return { entityType, match: null }
  if (matchType === matchTypes.any && match === null) return { entityType, match: anyName }
  throw new QuotaError(`match type ${matchType} with the name ${JSON.stringify(match)}`)
}

function failure(errorCode: ErrorCode, errorMessage: string): Response {
  return { errorCode, errorMessage, entries: null }
}
