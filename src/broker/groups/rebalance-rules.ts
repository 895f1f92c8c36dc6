/** Decisions of a rebalance, as functions of the members alone. */
import type { GroupMember } from './group-member.ts'
import type { GroupMembers } from './group-members.ts'

/**
 * The protocol of the next generation: each member votes for the first in its own list that all
 * know; most votes win, and of equals the one voted for first. Undefined when none is shared.
 */
export function chooseProtocol(members: GroupMembers): string | undefined {
  const votes = new Map<string, number>()
  for (const { protocols } of members.values()) {
    const vote = protocols.find(({ name }) => members.isShared(name))
    if (vote !== undefined) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
  }
  let chosen: string | undefined
  for (const [name, count] of votes) {
    if (chosen === undefined || count > (votes.get(chosen) as number)) chosen = name
  }
  return chosen
}

/** The leader stays when it has rejoined; else the first who has. Undefined when nobody has. */
export function chooseLeader(
  members: GroupMembers,
  leaderId: string | undefined,
): GroupMember | undefined {
  const leader = leaderId === undefined ? undefined : members.get(leaderId)
  if (leader?.parkedJoin !== undefined) return leader
  for (const member of members.values()) if (member.parkedJoin !== undefined) return member
  return undefined
}

/** How long a rebalance waits for its members: as long as the slowest may take. */
export function rebalanceTimeoutMs(members: GroupMembers): number {
  let longestMs = 0
  for (const member of members.values()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs)
  return longestMs
}
