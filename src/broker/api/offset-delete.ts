/**
 * OffsetDelete: takes committed offsets out of a group, except those of topics that its members
 * read now. A group whose members are no consumers must be empty.
 */
import { defineApi, type RequestOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, string } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import type { OffsetEntry } from '../groups/committed-offsets.ts'
import { consumerProtocolType } from '../groups/consumer-subscription.ts'
import type { Group } from '../groups/group.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const offsetDeleteApi = defineApi({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  request: {
    groupId: string(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32('0+', { default: 0, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
})

type Request = RequestOf<typeof offsetDeleteApi>

export const offsetDelete: ServedApi = serve(offsetDeleteApi, {
  async handle(broker, request) {
    const group = findGroup(broker, request.groupId)
    if (typeof group === 'number') return { errorCode: group, topics: [] }
    const read = group.state === 'Empty' ? undefined : group.subscribedTopics()
    const gone: OffsetEntry[] = []
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const errorCode = refusal(broker, name, partitionIndex, read)
        const entries = errorCode === errorCodes.none ? group.offsets.entries(name) : []
        gone.push(...entries.filter(({ partition }) => partition === partitionIndex))
        return { partitionIndex, errorCode }
      }),
    }))
    const errorCode = await broker.groups.deleteOffsets(group, gone)
    return errorCode === errorCodes.none ? { errorCode, topics } : { errorCode, topics: [] }
  },
  fail: (_request: Request, errorCode) => ({ errorCode, topics: [] }),
  mayOverlap: true,
})

function findGroup({ groups }: BrokerEnvironment, id: string): Group | ErrorCode {
  if (groups.availability !== errorCodes.none) return groups.availability
  const group = groups.group(id)
  if (group === undefined) return errorCodes.groupIdNotFound
  const isOther = group.state !== 'Empty' && group.protocolType !== consumerProtocolType
  return isOther ? errorCodes.nonEmptyGroup : group
}

function refusal(
  { store }: BrokerEnvironment,
  name: string,
  partition: number,
  read: ReadonlySet<string> | undefined,
): ErrorCode {
  const count = store.topic(name)?.partitionCount ?? 0
  if (partition < 0 || partition >= count) return errorCodes.unknownTopicOrPartition
  return read?.has(name) === true ? errorCodes.groupSubscribedToTopic : errorCodes.none
}
