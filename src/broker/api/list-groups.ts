/**
 * ListGroups: all groups, on demand only those in some states (v4) or of some types (v5). Clients ask
 * every node and put the answers together, so only the coordinator, the first node, tells any.
 */
import { defineApi } from '../../protocol/api.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const listGroupsApi = defineApi({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: array(string(), '4+', { default: [] }),
    typesFilter: array(string(), '5+', { default: [] }),
  },
  response: {
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string('4+', { ignorable: true }),
      groupType: string('5+', { ignorable: true }),
    }),
  },
})

/** The only type there is: groups whose members assign among themselves. */
const groupType = 'classic'

export const listGroups: ServedApi = serve(listGroupsApi, {
  handle({ groups, cluster }, request, { listener }) {
    if (groups.availability !== errorCodes.none) {
      return { errorCode: groups.availability, groups: [] }
    }
    if (listener.nodeId !== cluster.controllerId) return { errorCode: errorCodes.none, groups: [] }
    const states = lowered(request.statesFilter)
    const types = lowered(request.typesFilter)
    const areWanted = types.size === 0 || types.has(groupType)
    const wanted = [...(areWanted ? groups.groups() : [])].filter(
      ({ state }) => states.size === 0 || states.has(state.toLowerCase()),
    )
    return {
      errorCode: errorCodes.none,
      groups: wanted.map(({ id, protocolType, state }) => ({
        groupId: id,
        protocolType: protocolType ?? '',
        groupState: state,
        groupType,
      })),
    }
  },
  fail: (_request, errorCode) => ({ errorCode, groups: [] }),
  mayOverlap: true,
})

function lowered(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}
