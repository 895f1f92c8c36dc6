/** CreateAcls: there is no authorizer that would heed them, so each is refused. */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import { literalPattern, noAuthorizer } from '../acl-schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const createAclsApi = defineApi({
  key: 30,
  name: 'CreateAcls',
  versions: '0-3',
  flexible: '2+',
  request: {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8('1+', { default: literalPattern }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
    }),
  },
})

export const createAcls: ServedApi = serve(createAclsApi, {
  handle: (_environment, request) => answer(request, errorCodes.securityDisabled, noAuthorizer),
  fail: (request, errorCode) => answer(request, errorCode, errorCodeName(errorCode)),
  mayOverlap: true,
})

function answer(
  { creations }: RequestOf<typeof createAclsApi>,
  errorCode: ErrorCode,
  errorMessage: string,
) {
  return { results: creations.map(() => ({ errorCode, errorMessage })) }
}
