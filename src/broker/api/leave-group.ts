/**
 * LeaveGroup: one member up to v2, several from v3 on. A static member may be named by its instance
 * id alone: that is how an operator takes it out (KIP-345).
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const leaveGroupApi = defineApi({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    memberId: string('0-2', { default: '' }),
    members: array(
      {
        memberId: string('3+'),
        groupInstanceId: string('3+', { nullable: '3+', default: null }),
        reason: string('5+', { nullable: '5+', default: null, ignorable: true }),
      },
      '3+',
      { default: [] },
    ),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string('3+'),
        groupInstanceId: string('3+', { nullable: '3+' }),
        errorCode: int16('3+'),
      },
      '3+',
      { default: [] },
    ),
  },
})

type Request = RequestOf<typeof leaveGroupApi>
type Response = ResponseInputOf<typeof leaveGroupApi>

const firstVersionOfSeveral = 3

export const leaveGroup: ServedApi = serve(leaveGroupApi, {
  async handle(broker, request, { apiVersion }) {
    const { groupId, members } = request
    if (apiVersion < firstVersionOfSeveral) {
      const leaving = [{ memberId: request.memberId, instanceId: null }]
      const codes = await broker.groups.leave(groupId, leaving)
      return { errorCode: typeof codes === 'number' ? codes : (codes[0] as ErrorCode) }
    }
    for (const { memberId, groupInstanceId, reason } of members) {
      const who = { group: groupId, member: memberId, instance: groupInstanceId }
      broker.logger.debug({ ...who, reason }, 'member leaves')
    }
    const leaving = members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      instanceId: groupInstanceId,
    }))
    const codes = await broker.groups.leave(groupId, leaving)
    if (typeof codes === 'number') return { errorCode: codes }
    return answer(members, codes)
  },
  fail: (_request, errorCode) => ({ errorCode }),
  mayOverlap: true,
})

function answer(members: Request['members'], codes: readonly ErrorCode[]): Response {
  return {
    errorCode: errorCodes.none,
    members: members.map(({ memberId, groupInstanceId }, i) => ({
      memberId,
      groupInstanceId,
      errorCode: codes[i] as ErrorCode,
    })),
  }
}
