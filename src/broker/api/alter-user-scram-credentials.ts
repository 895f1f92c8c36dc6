/** AlterUserScramCredentials: takes credentials away and sets others; a user's changes together. */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bytes, int8, int16, int32, string } from '../../protocol/schema.ts'
import { errorMessageOf } from '../error-mapping.ts'
import type { ScramFault } from '../scram-credentials.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const alterUserScramCredentialsApi = defineApi({
  key: 51,
  name: 'AlterUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    deletions: array({ name: string(), mechanism: int8() }),
    upsertions: array({
      name: string(),
      mechanism: int8(),
      iterations: int32(),
      salt: bytes(),
      saltedPassword: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string('0+', { nullable: '0+' }),
    }),
  },
})

type Request = RequestOf<typeof alterUserScramCredentialsApi>

export const alterUserScramCredentials: ServedApi = serve(alterUserScramCredentialsApi, {
  async handle({ credentials, faults: storageFaults, logger }, request) {
    try {
      const faults = await credentials.alter(request.deletions, request.upsertions)
      const users = [...faults].flatMap(([user, fault]) => (fault === undefined ? [user] : []))
      if (users.length > 0) {
        logger.warn({ users }, 'credentials are kept, but no listener asks for them yet')
      }
      return { results: [...faults].map(([user, fault]) => result(user, fault)) }
    } catch (error) {
      const fault = { errorCode: storageFaults.codeOf(error), reason: errorMessageOf(error) }
      return { results: usersOf(request).map((user) => result(user, fault)) }
    }
  },
  fail: (request, errorCode) => ({
    results: usersOf(request).map((user) =>
      result(user, { errorCode, reason: errorCodeName(errorCode) }),
    ),
  }),
})

function usersOf({ deletions, upsertions }: Request): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))]
}

function result(user: string, fault: ScramFault | undefined) {
  const errorCode = fault?.errorCode ?? errorCodes.none
  return { user, errorCode, errorMessage: fault?.reason ?? null }
}
