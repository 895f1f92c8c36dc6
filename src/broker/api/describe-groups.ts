/**
 * DescribeGroups: state and members of groups. One that is not there is `Dead`, without an error
 * up to v5. What members said and were given is shown while the group is stable.
 */
import { defineApi, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, bytes, int16, int32, string } from '../../protocol/schema.ts'
import { groupOperations } from '../authorized-operations.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { Group } from '../groups/group.ts'
import { noBytes } from '../groups/group-member.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeGroupsApi = defineApi({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool('3+', { default: false }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    groups: array({
      errorCode: int16(),
      errorMessage: string('6+', { nullable: '6+', default: null, ignorable: true }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string('4+', { nullable: '4+', default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32('3+', { default: -2_147_483_648, ignorable: true }),
    }),
  },
})

type Described = ResponseInputOf<typeof describeGroupsApi>['groups'][number]

const firstVersionOfNotFound = 6

export const describeGroups: ServedApi = serve(describeGroupsApi, {
  handle(broker, { groups, includeAuthorizedOperations }, { apiVersion }) {
    const operations = includeAuthorizedOperations ? { authorizedOperations: groupOperations } : {}
    return {
      groups: groups.map((id) => ({ ...describe(broker, id, apiVersion), ...operations })),
    }
  },
  fail: ({ groups }, errorCode) => ({
    groups: groups.map((id) => missing(id, errorCode, errorCodeName(errorCode))),
  }),
  mayOverlap: true,
})

function describe({ groups }: BrokerEnvironment, id: string, apiVersion: number): Described {
  const { availability } = groups
  if (availability !== errorCodes.none) {
    return { ...missing(id, availability, errorCodeName(availability)), groupState: '' }
  }
  const group = groups.group(id)
  if (group !== undefined) return describeGroup(group)
  return apiVersion < firstVersionOfNotFound
    ? missing(id, errorCodes.none, null)
    : missing(id, errorCodes.groupIdNotFound, `Group ${id} not found.`)
}

function describeGroup(group: Group): Described {
  const isStable = group.state === 'Stable'
  return {
    errorCode: errorCodes.none,
    errorMessage: null,
    groupId: group.id,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocol ?? '') : '',
    members: Array.from(group.members(), (member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? member.metadataFor(group.protocol) : noBytes,
      memberAssignment: isStable ? member.assignment : noBytes,
    })),
  }
}

function missing(groupId: string, errorCode: ErrorCode, errorMessage: string | null): Described {
  const nothing = { groupState: 'Dead', protocolType: '', protocolData: '', members: [] }
  return { errorCode, errorMessage, groupId, ...nothing }
}
