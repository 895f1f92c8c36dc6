/** DeleteGroups: removes groups without members, with their offsets. Durable when answered. */
import { defineApi } from '../../protocol/api.ts'
import { array, int16, int32, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const deleteGroupsApi = defineApi({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  request: {
    groupsNames: array(string()),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0, ignorable: true }),
    results: array({
      groupId: string(),
      errorCode: int16(),
    }),
  },
})

export const deleteGroups: ServedApi = serve(deleteGroupsApi, {
  async handle({ groups, logger }, { groupsNames }) {
    const results = groupsNames.map(async (groupId) => {
      const errorCode = await groups.deleteGroup(groupId)
      if (errorCode === 0) logger.info({ group: groupId }, 'group deleted')
      return { groupId, errorCode }
    })
    return { results: await Promise.all(results) }
  },
  fail: ({ groupsNames }, errorCode) => ({
    results: groupsNames.map((groupId) => ({ groupId, errorCode })),
  }),
  mayOverlap: true,
})
