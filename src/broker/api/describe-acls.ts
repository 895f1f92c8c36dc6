/** DescribeAcls: there is no authorizer, and so are no ACLs; Kafka without one answers the same. */
import { defineApi } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import { aclFilter, literalPattern, noAuthorizer } from '../acl-schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeAclsApi = defineApi({
  key: 29,
  name: 'DescribeAcls',
  versions: '0-3',
  flexible: '2+',
  request: aclFilter,
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8('1+', { default: literalPattern }),
      acls: array({
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
})

export const describeAcls: ServedApi = serve(describeAclsApi, {
  handle: () => answer(errorCodes.securityDisabled, noAuthorizer),
  fail: (_request, errorCode) => answer(errorCode, errorCodeName(errorCode)),
  mayOverlap: true,
})

function answer(errorCode: ErrorCode, errorMessage: string) {
  return { errorCode, errorMessage, resources: [] }
}
