/** AlterClientQuotas: sets and takes away quotas, all of one entity together. */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, float64, int16, int32, string } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { QuotaError } from '../client-quotas.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const alterClientQuotasApi = defineApi({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    entries: array({
      entity: array({
        entityType: string(),
        entityName: string('0+', { nullable: '0+' }),
      }),
      ops: array({ key: string(), value: float64(), remove: bool() }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    entries: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
      entity: array({
        entityType: string(),
        entityName: string('0+', { nullable: '0+' }),
      }),
    }),
  },
})

type Entry = RequestOf<typeof alterClientQuotasApi>['entries'][number]
type Result = ResponseInputOf<typeof alterClientQuotasApi>['entries'][number]

export const alterClientQuotas: ServedApi = serve(alterClientQuotasApi, {
  async handle(broker, { entries, validateOnly }) {
    const results: Result[] = []
    for (const entry of entries) results.push(await alter(broker, entry, validateOnly))
    return { entries: results }
  },
  fail: (request, errorCode) => ({
    entries: request.entries.map((entry) => result(entry, errorCode, errorCodeName(errorCode))),
  }),
})

async function alter(
  { quotas, faults }: BrokerEnvironment,
  entry: Entry,
  validateOnly: boolean,
): Promise<Result> {
  const entity = new Map(entry.entity.map(({ entityType, entityName }) => [entityType, entityName]))
  try {
    if (entity.size < entry.entity.length) throw new QuotaError('an entity type stands twice')
    await quotas.alter(entity, entry.ops, { validateOnly })
    return result(entry, errorCodes.none, null)
  } catch (error) {
    if (error instanceof QuotaError) return result(entry, errorCodes.invalidRequest, error.message)
    return result(entry, faults.codeOf(error), errorMessageOf(error))
  }
}

function result({ entity }: Entry, errorCode: ErrorCode, errorMessage: string | null): Result {
  return { errorCode, errorMessage, entity }
}
