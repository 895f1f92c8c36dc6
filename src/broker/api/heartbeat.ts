/** Heartbeat: prolongs a member's session, and tells it when it should join again. */
import { defineApi } from '../../protocol/api.ts'
import { int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const heartbeatApi = defineApi({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
  },
})

export const heartbeat: ServedApi = serve(heartbeatApi, {
  handle(broker, { groupId, generationId: generation, memberId, groupInstanceId: instanceId }) {
    return { errorCode: broker.groups.heartbeat(groupId, { generation, memberId, instanceId }) }
  },
  fail: (_request, errorCode) => ({ errorCode }),
  mayOverlap: true,
})
