/**
 * What is kept of groups and their offsets over restarts, as entries of a table.
 *
 *     key := 'g' NUL group                          value: GroupRecord
 *          | 'o' partition NUL topic NUL group      value: Commit
 *
 * Neither topics nor numbers contain a NUL, and the group comes last, so keys are unambiguous
 * whatever a group is called.
 */
import type { Commit } from './committed-offsets.ts'
import { GroupMember } from './group-member.ts'

export type MemberRecord = {
  readonly id: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Name and metadata in base64. */
  readonly protocols: readonly (readonly [name: string, metadata: string])[]
  /** In base64. */
  readonly assignment: string
}

/** A group at the start of its last stable generation, or as it became empty. */
export type GroupRecord = {
  /** Empty for a group that only keeps offsets. */
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string | null
  readonly leader: string | null
  /** When it came into this state. */
  readonly sinceMs: number
  readonly members: readonly MemberRecord[]
}

export const groupPrefix = 'g\0'
export const offsetPrefix = 'o'

export function groupKey(group: string): string {
  return groupPrefix + group
}

export function offsetKey(group: string, topic: string, partition: number): string {
  return `${offsetPrefix}${partition}\0${topic}\0${group}`
}

export type OffsetPlace = {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** The reverse of `offsetKey`; undefined for a key it does not make. */
export function parseOffsetKey(key: string): OffsetPlace | undefined {
  const match = /^o(\d+)\0([^\0]*)\0(.*)$/s.exec(key)
  if (match === null) return undefined
  const [, partition, topic, group] = match as unknown as [string, string, string, string]
  return { group, topic, partition: Number(partition) }
}

export type GroupTableValue = GroupRecord | Commit

/** @param assignment about to become valid, in place of the member's own. */
export function recordOfMember(member: GroupMember, assignment?: Buffer): MemberRecord {
  return {
    id: member.id,
    instanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    sessionTimeoutMs: member.sessionTimeoutMs,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    protocols: member.protocols.map(({ name, metadata }) => [name, metadata.toString('base64')]),
    assignment: (assignment ?? member.assignment).toString('base64'),
  }
}

export function memberOfRecord(record: MemberRecord): GroupMember {
  const protocols = record.protocols.map(([name, metadata]) => ({
    name,
    metadata: Buffer.from(metadata, 'base64'),
  }))
  const member = new GroupMember(record.id, record, { ...record, protocols })
  member.assignment = Buffer.from(record.assignment, 'base64')
  return member
}
