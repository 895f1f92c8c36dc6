/** DeleteAcls: there is no authorizer, and so is nothing that a filter could match. */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import { aclFilter, literalPattern, noAuthorizer } from '../acl-schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const deleteAclsApi = defineApi({
  key: 31,
  name: 'DeleteAcls',
  versions: '0-3',
  flexible: '2+',
  request: {
    filters: array(aclFilter),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    filterResults: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
      matchingAcls: array({
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8('1+', { default: literalPattern }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
})

export const deleteAcls: ServedApi = serve(deleteAclsApi, {
  handle: (_environment, request) => answer(request, errorCodes.securityDisabled, noAuthorizer),
  fail: (request, errorCode) => answer(request, errorCode, errorCodeName(errorCode)),
  mayOverlap: true,
})

function answer(
  { filters }: RequestOf<typeof deleteAclsApi>,
  errorCode: ErrorCode,
  errorMessage: string,
) {
  return { filterResults: filters.map(() => ({ errorCode, errorMessage, matchingAcls: [] })) }
}
