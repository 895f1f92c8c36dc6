/**
 * SyncGroup: the leader brings the assignment of its generation, everybody takes their own part.
 * Answered when the assignment is stored; requests behind it on its connection wait as long.
 */
import { defineApi, type ResponseInputOf } from '../../protocol/api.ts'
import { array, bytes, int16, int32, string } from '../../protocol/schema.ts'
import { failedSync } from '../groups/group.ts'
import type { SyncResult } from '../groups/group-member.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const syncGroupApi = defineApi({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
    protocolType: string('5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: string('5+', { nullable: '5+', default: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
    protocolType: string('5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: string('5+', { nullable: '5+', default: null, ignorable: true }),
    assignment: bytes(),
  },
})

export const syncGroup: ServedApi = serve(syncGroupApi, {
  handle(broker, request, { signal }) {
    // Assignments are kept as long as the generation: they are copied out of the frame.
    const assignments = new Map(
      request.assignments.map(({ memberId, assignment }) => [memberId, Buffer.from(assignment)]),
    )
    const sync = {
      generation: request.generationId,
      memberId: request.memberId,
      instanceId: request.groupInstanceId,
      protocolType: request.protocolType,
      protocol: request.protocolName,
      assignments,
    }
    const result = broker.groups.sync(request.groupId, sync, signal)
    return result instanceof Promise ? result.then(toWire) : toWire(result)
  },
  fail: (_request, errorCode) => toWire(failedSync(errorCode)),
})

function toWire({ protocol, ...result }: SyncResult): ResponseInputOf<typeof syncGroupApi> {
  return { ...result, protocolName: protocol }
}
