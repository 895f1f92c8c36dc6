/** From what a request names to the log it means, and what to answer when there is none. */
import { TopicExistsError } from '../base/errors.ts'
import type { Log } from '../log/log.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import { zeroUuid } from '../protocol/schema.ts'
import type { Store } from '../store/store.ts'
import type { Topic } from '../store/topic.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import type { StorageFaults } from './storage-faults.ts'

/** A topic as a request names it: by id in newer versions, where `name` is empty. */
export type TopicReference = { readonly name: string; readonly topicId: string }

/** The topic, or the code that says there is none. */
export function findTopic(store: Store, reference: TopicReference): Topic | ErrorCode {
  const { name, topicId } = reference
  if (topicId !== zeroUuid) return store.topicById(topicId) ?? errorCodes.unknownTopicId
  if (name === '') return errorCodes.unknownTopicId
  return store.topic(name) ?? errorCodes.unknownTopicOrPartition
}

/** What to say of a topic that was not found by name: there is none, or there is no such name. */
export function missingTopicCode({ store, faults }: BrokerEnvironment, name: string): ErrorCode {
  try {
    store.validateTopic(name)
    return errorCodes.unknownTopicOrPartition
  } catch (error) {
    return missingTopicCodeOf(faults, error)
  }
}

/** A topic that exists though it was not found is being created or deleted: ask again. */
export function missingTopicCodeOf(faults: StorageFaults, error: unknown): ErrorCode {
  return error instanceof TopicExistsError ? errorCodes.leaderNotAvailable : faults.codeOf(error)
}

/** The log of a partition, opened when needed, or the code that says why there is none. */
export function findLog(
  { faults }: BrokerEnvironment,
  topic: Topic | ErrorCode,
  partition: number,
): Log | ErrorCode {
  if (typeof topic === 'number') return topic
  try {
    return topic.partition(partition) ?? errorCodes.unknownTopicOrPartition
  } catch (error) {
    return faults.codeOf(error)
  }
}

/** Whether a client's idea of the leader epoch fits ours; −1 is no idea. */
export function checkLeaderEpoch(store: Store, clientEpoch: number): ErrorCode {
  if (clientEpoch < 0 || clientEpoch === store.leaderEpoch) return errorCodes.none
  return clientEpoch < store.leaderEpoch
    ? errorCodes.fencedLeaderEpoch
    : errorCodes.unknownLeaderEpoch
}
