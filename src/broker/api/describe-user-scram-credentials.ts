/** DescribeUserScramCredentials: which credentials users have; of no user named, of all. */
import { defineApi, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int8, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeUserScramCredentialsApi = defineApi({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    users: array({ name: string() }, '0+', { nullable: '0+' }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    errorCode: int16(),
    errorMessage: string('0+', { nullable: '0+' }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
      credentialInfos: array({ mechanism: int8(), iterations: int32() }),
    }),
  },
})

type Result = ResponseInputOf<typeof describeUserScramCredentialsApi>['results'][number]

export const describeUserScramCredentials: ServedApi = serve(describeUserScramCredentialsApi, {
  handle({ credentials }, { users }) {
    const names = users?.map(({ name }) => name) ?? []
    const results =
      names.length === 0
        ? [...credentials.all()].map(([user, infos]) => found(user, infos))
        : [...new Set(names)].map((user) => {
            const isRepeated = names.filter((name) => name === user).length > 1
            if (isRepeated) return refused(user, errorCodes.duplicateResource, 'named twice')
            const infos = credentials.of(user)
            if (infos.length > 0) return found(user, infos)
            return refused(user, errorCodes.resourceNotFound, 'there is no such credential')
          })
    return { errorCode: errorCodes.none, errorMessage: null, results }
  },
  fail: (_request, errorCode) => ({
    errorCode,
    errorMessage: errorCodeName(errorCode),
    results: [],
  }),
  mayOverlap: true,
})

function found(user: string, credentialInfos: Result['credentialInfos']): Result {
  return { user, errorCode: errorCodes.none, errorMessage: null, credentialInfos }
}

function refused(user: string, errorCode: ErrorCode, errorMessage: string): Result {
  return { user, errorCode, errorMessage, credentialInfos: [] }
}
