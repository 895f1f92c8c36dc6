/**
 * JoinGroup: answered when the generation that the member joins begins, at the latest when the
 * rebalance times out; requests behind it on its connection wait as long, as with Kafka.
 */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { array, bool, bytes, int16, int32, string } from '../../protocol/schema.ts'
import { refusedJoin } from '../groups/group.ts'
import type { JoinRequest, JoinResult } from '../groups/group-member.ts'
import { type RequestContext, type ServedApi, serve } from '../served-api.ts'

export const joinGroupApi = defineApi({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32('1+', { default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string('5+', { nullable: '5+', default: null }),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: bytes(),
    }),
    reason: string('8+', { nullable: '8+', default: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32('2+', { default: 0, ignorable: true }),
    errorCode: int16(),
    generationId: int32('0+', { default: -1 }),
    protocolType: string('7+', { nullable: '7+', default: null, ignorable: true }),
    protocolName: string('0+', { nullable: '7+' }),
    leader: string(),
    skipAssignment: bool('9+', { default: false }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string('5+', { nullable: '5+', default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
})

type Request = RequestOf<typeof joinGroupApi>
type Response = ResponseInputOf<typeof joinGroupApi>

const versionOfMemberIdRequired = 4
const versionOfNullProtocol = 7
const versionOfSkipAssignment = 9

export const joinGroup: ServedApi = serve(joinGroupApi, {
  handle(broker, request, context) {
    const { groupId, memberId, reason } = request
    if (reason !== null && reason !== '') {
      broker.logger.debug({ group: groupId, member: memberId, reason }, 'member joins')
    }
    const result = broker.groups.join(groupId, joinOf(request, context), context.signal)
    return result instanceof Promise
      ? result.then((joined) => respond(joined, context))
      : respond(result, context)
  },
  // A name that no client reads: null would need a newer version than the client may have.
  fail: ({ memberId }, errorCode) => ({
    ...toWire(refusedJoin(errorCode, memberId)),
    protocolName: '',
  }),
})

/** The metadata is kept as long as the member: it is copied out of the frame. */
function joinOf(request: Request, { apiVersion, clientId, peer }: RequestContext): JoinRequest {
  const { sessionTimeoutMs, rebalanceTimeoutMs } = request
  return {
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    clientId: clientId ?? '',
    clientHost: hostOf(peer),
    sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols.map(({ name, metadata }) => ({
      name,
      metadata: Buffer.from(metadata),
    })),
    knowsMemberIdRequired: apiVersion >= versionOfMemberIdRequired,
    knowsSkipAssignment: apiVersion >= versionOfSkipAssignment,
  }
}

/** As Kafka shows hosts: a slash and the address. */
function hostOf(peer: string): string {
  return `/${peer.slice(0, peer.lastIndexOf(':'))}`
}

function respond(result: JoinResult, { apiVersion }: RequestContext): Response {
  const response = toWire(result)
  const isNullAllowed = apiVersion >= versionOfNullProtocol
  return response.protocolName === null && !isNullAllowed
    ? { ...response, protocolName: '' }
    : response
}

function toWire({ generation, protocol, ...result }: JoinResult): Response {
  return { ...result, generationId: generation, protocolName: protocol }
}
