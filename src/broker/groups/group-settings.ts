/** What can be set for consumer groups. Times are milliseconds. */
import { dayMs, minuteMs } from '../../base/units.ts'

export type GroupSettings = {
  /** How long the first rebalance of an empty group waits for more members. */
  readonly initialRebalanceDelayMs: number
  /** Session timeouts a member may ask for, both inclusive. */
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  /** Most members of one group, ids handed out and not yet used among them. */
  readonly maxSize: number
  /** How long the offsets of a group without members are kept. */
  readonly offsetsRetentionMs: number
  /** UTF-8 bytes of the text that may go with an offset. */
  readonly offsetMetadataMaxBytes: number
}

export const defaultGroupSettings: GroupSettings = {
  // Kafka waits 3 s. One node that a developer starts should assign partitions at once.
  initialRebalanceDelayMs: 0,
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 30 * minuteMs,
  maxSize: 10_000,
  offsetsRetentionMs: 7 * dayMs,
  offsetMetadataMaxBytes: 4_096,
}

/** Most that `offsetMetadataMaxBytes` may be: what the protocol's strings can hold. */
export const maxOffsetMetadataBytes = 32_767
/** A member whose first join waits longer than this is given up: its client is likely gone. */
export const newMemberJoinTimeoutMs: number = 5 * minuteMs
/** How often expired offsets are looked for. */
export const expiryIntervalMs: number = 10 * minuteMs
