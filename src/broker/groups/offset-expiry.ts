/**
 * Which committed offsets have expired (`offsets.retention.minutes`). Those of
 *
 *     a group without members          retention after it lost the last one
 *     consumers that read other topics now   retention after the commit
 *     a group that never had members   retention after the commit
 *
 * A commit that brought its own time of expiry keeps to it. Offsets of topics that are gone, or of
 * another topic under the same name, expire at once.
 */
import type { Commit, OffsetEntry } from './committed-offsets.ts'
import type { Group } from './group.ts'

export type ExpiryRules = {
  readonly nowMs: number
  readonly retentionMs: number
  readonly topicId: (name: string) => string | undefined
}

export function expiredOffsets(group: Group, rules: ExpiryRules): OffsetEntry[] {
  const { nowMs, retentionMs, topicId } = rules
  const readable = group.state === 'Stable' ? group.subscribedTopics() : undefined
  return group.offsets.entries().filter((entry) => {
    const commit = entry.seen
    // One on its way says that somebody still wants it.
    if (commit === undefined || entry.writing > 0) return false
    if (topicId(entry.topic) !== commit.topicId) return true
    const baseMs = expiryBaseMs(group, commit, readable?.has(entry.topic))
    if (baseMs === undefined) return false
    return commit.expiresMs === null ? nowMs - baseMs >= retentionMs : nowMs >= commit.expiresMs
  })
}

/** From when retention counts; undefined while the offset is in use. */
function expiryBaseMs(
  group: Group,
  commit: Commit,
  isSubscribed: boolean | undefined,
): number | undefined {
  if (group.protocolType === undefined) return commit.committedMs
  if (group.state === 'Empty') return group.stateSinceMs
  return isSubscribed === false ? commit.committedMs : undefined
}
