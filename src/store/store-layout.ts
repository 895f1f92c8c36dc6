/**
 * Every name under a data directory. The layout is Kafka's, so that Kafka's tools can read it.
 *
 *     data/
 *       .lock                             held while a process has the directory open
 *       .lock.turn, .lock.<pid>.<random>  while it is taken
 *       .kafka_cleanshutdown              there when the last stop was clean
 *       stratalog.journal                 redo records; gone after a clean stop (flush/journal.ts)
 *       stratalog-whole-frames            while a log could not be recovered (flush/whole-frames.ts)
 *       stratalog.spare                   space for a full disk; gone after a clean stop (spare-space.ts)
 *       meta.properties                   cluster id, node id, directory id
 *       recovery-point-offset-checkpoint  first offset not known to be durable, per log
 *       log-start-offset-checkpoint       first readable offset, where segments begin below it
 *       <topic>-<partition>/              one log
 *         00000000000000000000.log        batches, and beside it .index .timeindex .snapshot
 *         leader-epoch-checkpoint
 *         partition.metadata              topic id
 *       __stratalog-0/                    the store's own table: topics, producer ids, epoch
 *       __stratalog_groups-0/             consumer groups and their offsets, once there are any
 *       __stratalog_cluster-0/            quotas and credentials, once there are any
 *       <topic>-<partition>.<id>-delete/  a log on its way out
 */
import { InvalidTopicError } from '../base/errors.ts'

export const cleanShutdownFileName = '.kafka_cleanshutdown'
export const metaPropertiesFileName = 'meta.properties'
export const partitionMetadataFileName = 'partition.metadata'
/** Topic of the store's own table. */
export const systemTopic = '__stratalog'
/** Table of the positions of named consumers. */
export const positionsTopic = '__stratalog_positions'
/** Topic of the table in which a broker keeps consumer groups and their offsets. */
export const groupsTopic = '__stratalog_groups'
/** Topic of the table in which a broker keeps what else clients told it of the cluster. */
export const clusterTopic = '__stratalog_cluster'

const maxTopicLength = 249
const maxDirectoryNameLength = 255

const internalTopics: ReadonlySet<string> = new Set([
  systemTopic,
  groupsTopic,
  clusterTopic,
  '__consumer_offsets',
  '__transaction_state',
])

/** Topics that belong to the store or to a broker's own bookkeeping. */
export function isInternalTopic(topic: string): boolean {
  return isStoreTopic(topic) || internalTopics.has(topic)
}

/** Topics that only the store itself makes, writes and deletes. */
export function isStoreTopic(topic: string): boolean {
  return topic === systemTopic || topic === positionsTopic
}

/** Whether two names are one to Kafka, whose metrics write "." as "_". */
export function isSameTopicName(one: string, other: string): boolean {
  return one.replaceAll('.', '_') === other.replaceAll('.', '_')
}

/** Throws InvalidTopicError unless `topic` may name a topic. */
export function checkTopicName(topic: unknown): asserts topic is string {
  if (
    typeof topic !== 'string' ||
    !/^[a-zA-Z0-9._-]+$/.test(topic) ||
    topic.length > maxTopicLength
  ) {
    const shown =
      typeof topic === 'string' ? JSON.stringify(topic.slice(0, 80)) : `of type ${typeof topic}`
    throw new InvalidTopicError(
      `topic name ${shown} is not 1–${maxTopicLength} characters of a–z A–Z 0–9 . _ -`,
    )
  }
  if (topic === '.' || topic === '..') {
    throw new InvalidTopicError(`"${topic}" cannot name a topic`)
  }
}

export function logDirectoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** Topic and partition a directory name stands for, or undefined when it is no live log. */
export function parseLogDirectoryName(
  name: string,
): { topic: string; partition: number } | undefined {
  const match = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/.exec(name)
  if (match === null) return undefined
  const [, topic, digits] = match as unknown as [string, string, string]
  const partition = Number(digits)
  // "t-01" is not how partition 1 is written, and two names for one log must not exist.
  return String(partition) === digits && partition <= 0x7fff_ffff ? { topic, partition } : undefined
}

/** Name of a log on its way out; `id` is 32 hex digits. The topic is cut to fit a file name. */
export function deletedDirectoryName(directoryName: string, id: string): string {
  const suffix = `.${id}-delete`
  return directoryName.slice(0, maxDirectoryNameLength - suffix.length) + suffix
}

export function isDeletedDirectoryName(name: string): boolean {
  return /^\S+\.[0-9a-f]{32}-delete$/.test(name)
}

/** A directory some broker set aside or is still copying: not ours to open or remove. */
export function isForeignDirectoryName(name: string): boolean {
  return /^\S+\.\S+-(future|stray)$/.test(name) || name === 'remote-log-index-cache'
}
