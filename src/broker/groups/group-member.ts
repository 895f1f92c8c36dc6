/** One member of a group, and what its parked requests wait for. */
import type { Timer } from '../../base/clock.ts'
import type { ErrorCode } from '../../protocol/error-codes.ts'

/** An assignment strategy a member knows, with what it tells the leader for it. */
export type MemberProtocol = { readonly name: string; readonly metadata: Buffer }

export type JoinRequest = {
  /** Empty for a client that has no member id yet. */
  readonly memberId: string
  /** Of a static member, which keeps its place over restarts of its process (KIP-345). */
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  /** The client can be told its id first and join with it (KIP-394, v4). */
  readonly knowsMemberIdRequired: boolean
  /** The client can be told to assign nothing though it leads (KIP-814, v9). */
  readonly knowsSkipAssignment: boolean
}

export type JoinedMember = {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Buffer
}

export type JoinResult = {
  readonly errorCode: ErrorCode
  readonly generation: number
  readonly protocolType: string | null
  readonly protocol: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** All members, for the leader alone; empty for the others. */
  readonly members: readonly JoinedMember[]
}

export type SyncRequest = {
  readonly generation: number
  readonly memberId: string
  readonly instanceId: string | null
  /** From v5 on what the client believes to be the group's; null is no belief. */
  readonly protocolType: string | null
  readonly protocol: string | null
  /** By member id; of the leader alone. */
  readonly assignments: ReadonlyMap<string, Buffer>
}

export type SyncResult = {
  readonly errorCode: ErrorCode
  readonly protocolType: string | null
  readonly protocol: string | null
  readonly assignment: Buffer
}

/** Answers a parked request; called once. */
export type Respond<Result> = (result: Result) => void

export const noBytes: Buffer = Buffer.alloc(0)

export class GroupMember {
  readonly id: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly MemberProtocol[]
  assignment: Buffer = noBytes
  /** Its first join is not answered yet: the client does not know that it is a member. */
  isNew = false
  /** Set while a JoinGroup of it waits; of GroupMembers alone, which counts them. */
  parkedJoin: Respond<JoinResult> | undefined
  parkedSync: Respond<SyncResult> | undefined
  session: Timer | undefined
  /** Elapsed time at which the session was last prolonged. */
  sessionSetMs = 0

  constructor(
    id: string,
    identity: Pick<GroupMember, 'instanceId' | 'clientId' | 'clientHost'>,
    terms: Pick<GroupMember, 'sessionTimeoutMs' | 'rebalanceTimeoutMs' | 'protocols'>,
  ) {
    this.id = id
    this.instanceId = identity.instanceId
    this.clientId = identity.clientId
    this.clientHost = identity.clientHost
    this.sessionTimeoutMs = terms.sessionTimeoutMs
    this.rebalanceTimeoutMs = terms.rebalanceTimeoutMs
    this.protocols = terms.protocols
  }

  /** Its metadata for `protocol`; empty when it does not know it. */
  metadataFor(protocol: string | null): Buffer {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? noBytes
  }

  /** Whether it would join with exactly these, in this order. */
  hasProtocols(protocols: readonly MemberProtocol[]): boolean {
    return (
      this.protocols.length === protocols.length &&
      this.protocols.every(({ name, metadata }, i) => {
        const other = protocols[i] as MemberProtocol
        return other.name === name && other.metadata.equals(metadata)
      })
    )
  }
}
