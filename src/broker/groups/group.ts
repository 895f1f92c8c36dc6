/**
 * One consumer group of the classic protocol: a state machine of members that join, sync, send
 * heartbeats and leave. It knows no socket and no disk: requests are answered through callbacks,
 * its record is written by its host, and time is the host's clock.
 *
 *     Empty ──join──▶ PreparingRebalance ──all joined, or time is up──▶ CompletingRebalance
 *       ▲                 ▲    │ nobody is left                            │ leader's assignment
 *       └─────────────────│────┘                                           ▼ is stored
 *                         └───────join, leave, lost member──────────────  Stable
 *
 * A generation is answered to all members at once, and the assignment of a generation is stored
 * before anybody gets it: no partition has two owners in one generation, and none comes back with
 * another assignment after a crash. Rules are those of Kafka's coordinator with KIP-134 (delayed
 * first rebalance), KIP-345 (static members), KIP-394 (known member ids), KIP-559 and KIP-814.
 *
 * Past 500 lines because every transition decides who is answered, whose session runs and which
 * timer is set, and they must agree.
 */
import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import { CommittedOffsets } from './committed-offsets.ts'
import { consumerProtocolType, subscribedTopics } from './consumer-subscription.ts'
import {
  GroupMember,
  type JoinRequest,
  type JoinResult,
  type MemberProtocol,
  noBytes,
  type Respond,
  type SyncRequest,
  type SyncResult,
} from './group-member.ts'
import { GroupMembers } from './group-members.ts'
import { type GroupRecord, memberOfRecord, recordOfMember } from './group-record.ts'
import { type GroupSettings, newMemberJoinTimeoutMs } from './group-settings.ts'
import { chooseLeader, chooseProtocol, rebalanceTimeoutMs } from './rebalance-rules.ts'

export type GroupState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  /** Being removed: nothing is answered from it any more. */
  | 'Dead'

/** What a group needs of its surroundings. */
export interface GroupHost {
  readonly clock: Clock
  readonly settings: GroupSettings
  /** A member id nobody had before; `prefix` is for people. */
  newMemberId(prefix: string): string
  /** Writes the record of a group and calls `done` when it is durable, or with what went wrong. */
  store(groupId: string, record: GroupRecord, done: (errorCode: ErrorCode) => void): void
  note(fields: Record<string, unknown>, message: string): void
}

/** Sessions are prolonged in steps: a commit every millisecond must not set a timer each. */
const sessionStepMs = 100
/** The least time between two looks at a group that nobody rejoins. */
const silentWaitMs = 1_000

export class Group {
  readonly id: string
  readonly offsets: CommittedOffsets = new CommittedOffsets()
  readonly #host: GroupHost
  readonly #members = new GroupMembers()
  /** Ids handed out to clients that have not joined with them yet. */
  readonly #pending = new Map<string, Timer>()
  /** Members of this generation that have not asked for their assignment. */
  readonly #unsynced = new Set<string>()
  #state: GroupState = 'Empty'
  #stateSinceMs: number
  #generation = 0
  #protocolType: string | undefined
  #protocol: string | null = null
  #leaderId: string | undefined
  #joinTimer: Timer | undefined
  #syncTimer: Timer | undefined
  #isFirstRebalance = false
  #hasNewMembers = false
  #isStoring = false

  /** @param record what a group of this id was when its record was last written. */
  constructor(id: string, host: GroupHost, record?: GroupRecord) {
    this.id = id
    this.#host = host
    this.#stateSinceMs = host.clock.now()
    if (record !== undefined) this.#restore(record)
  }

  get state(): GroupState {
    return this.#state
  }
  get generation(): number {
    return this.#generation
  }
  /** Undefined until the first member joined: a group that only keeps offsets. */
  get protocolType(): string | undefined {
    return this.#protocolType
  }
  /** Protocol of this generation; null when it has no members. */
  get protocol(): string | null {
    return this.#protocol
  }
  get leaderId(): string | undefined {
    return this.#leaderId
  }
  /** Clock time of the last change of state. */
  get stateSinceMs(): number {
    return this.#stateSinceMs
  }
  get memberCount(): number {
    return this.#members.size
  }
  get pendingCount(): number {
    return this.#pending.size
  }
  members(): IterableIterator<GroupMember> {
    return this.#members.values()
  }

  /** Topics its consumers read; undefined when that is not known. */
  subscribedTopics(): ReadonlySet<string> | undefined {
    if (this.#protocolType !== consumerProtocolType || this.#protocol === null) return undefined
    const all = new Set<string>()
    for (const member of this.#members.values()) {
      const topics = subscribedTopics(member.metadataFor(this.#protocol))
      if (topics === undefined) return undefined
      for (const topic of topics) all.add(topic)
    }
    return all
  }

  join(request: JoinRequest, respond: Respond<JoinResult>): void {
    const { memberId, instanceId } = request
    const refused = this.#refuseJoin(request)
    if (refused !== errorCodes.none) respond(refusedJoin(refused, memberId))
    else if (memberId === '') this.#joinAnew(request, respond)
    else if (this.#pending.has(memberId) && instanceId === null) {
      this.#forgetPending(memberId)
      this.#add(memberId, request, respond)
    } else {
      const code = this.#members.check(memberId, instanceId)
      const member = this.#members.get(memberId)
      if (code !== errorCodes.none || member === undefined) respond(refusedJoin(code, memberId))
      else this.#rejoin(member, request, respond)
    }
  }

  sync(request: SyncRequest, respond: Respond<SyncResult>): void {
    const refused = this.#refuseSync(request)
    const member = this.#members.get(request.memberId)
    if (refused !== errorCodes.none || member === undefined) {
      respond(failedSync(refused))
      return
    }
    this.#noteSynced(member)
    if (this.#state === 'Stable') {
      this.#prolong(member)
      respond(this.#syncResult(member))
      return
    }
    // Its client has given the earlier request up.
    member.parkedSync?.(failedSync(errorCodes.rebalanceInProgress))
    member.parkedSync = respond
    if (member.id === this.#leaderId && !this.#isStoring) this.#assign(request.assignments)
  }

  heartbeat(request: {
    generation: number
    memberId: string
    instanceId: string | null
  }): ErrorCode {
    const refused = this.#refuseMember(request)
    if (refused !== errorCodes.none) return refused
    this.#prolong(this.#members.get(request.memberId) as GroupMember)
    return this.#state === 'PreparingRebalance' ? errorCodes.rebalanceInProgress : errorCodes.none
  }

  /** Takes members out; those given without a member id by their instance id. */
  leave(leaving: readonly { memberId: string; instanceId: string | null }[]): ErrorCode[] {
    if (this.#state === 'Dead') return leaving.map(() => errorCodes.coordinatorNotAvailable)
    let isMemberGone = false
    const codes = leaving.map(({ memberId, instanceId }) => {
      if (this.#pending.has(memberId)) {
        this.#forgetPending(memberId)
        return errorCodes.none
      }
      const id =
        memberId === '' && instanceId !== null
          ? (this.#members.idOfInstance(instanceId) ?? '')
          : memberId
      const refused = this.#members.check(id, instanceId)
      if (refused !== errorCodes.none) return refused
      this.#remove(this.#members.get(id) as GroupMember)
      isMemberGone = true
      return errorCodes.none
    })
    if (isMemberGone) this.#onMemberGone()
    else this.#completeJoinsIfDone()
    return codes
  }

  /** Whether this client may commit offsets now. One that may has shown that it is alive. */
  checkCommit(request: {
    generation: number
    memberId: string
    instanceId: string | null
  }): ErrorCode {
    const { generation, memberId, instanceId } = request
    if (this.#state === 'Dead') return errorCodes.coordinatorNotAvailable
    // Tools that reset offsets, and consumers that assign partitions to themselves.
    if (generation < 0 && this.#state === 'Empty') return errorCodes.none
    const isAnonymous = generation < 0 && memberId === '' && instanceId === null
    if (isAnonymous) return errorCodes.unknownMemberId
    const refused = this.#members.check(memberId, instanceId)
    if (refused !== errorCodes.none) return refused
    if (generation !== this.#generation) return errorCodes.illegalGeneration
    if (this.#state === 'CompletingRebalance') return errorCodes.rebalanceInProgress
    this.#prolong(this.#members.get(memberId) as GroupMember)
    return errorCodes.none
  }

  /** The group is removed; whatever waits is answered with `errorCode`. */
  end(errorCode: ErrorCode = errorCodes.coordinatorNotAvailable): void {
    for (const timer of this.#pending.values()) timer.cancel()
    this.#pending.clear()
    this.#joinTimer?.cancel()
    this.#syncTimer?.cancel()
    this.#changeState('Dead')
    for (const member of this.#members.values()) {
      member.session?.cancel()
      this.#members.answerJoin(member, refusedJoin(errorCode, member.id))
      this.#answerSync(member, failedSync(errorCode))
    }
  }

  /** @param assigned assignments about to become valid, in place of the members' own. */
  record(assigned?: ReadonlyMap<string, Buffer>): GroupRecord {
    return {
      protocolType: this.#protocolType ?? '',
      generation: this.#generation,
      protocol: this.#protocol,
      leader: this.#leaderId ?? null,
      sinceMs: this.#stateSinceMs,
      members: Array.from(this.#members.values(), (member) =>
        recordOfMember(member, assigned?.get(member.id)),
      ),
    }
  }

  #restore(record: GroupRecord): void {
    this.#generation = record.generation
    this.#protocolType = record.protocolType === '' ? undefined : record.protocolType
    this.#protocol = record.protocol
    this.#leaderId = record.leader ?? undefined
    for (const entry of record.members) this.#members.add(memberOfRecord(entry))
    this.#state = this.#members.size === 0 ? 'Empty' : 'Stable'
    this.#stateSinceMs = record.sinceMs
    for (const member of this.#members.values()) this.#startSession(member, member.sessionTimeoutMs)
  }

  // ── joining ──

  #refuseJoin({ memberId, protocolType, protocols }: JoinRequest): ErrorCode {
    if (this.#state === 'Dead') return errorCodes.coordinatorNotAvailable
    if (!this.#hasRoomFor(memberId)) {
      this.#turnAway(memberId)
      return errorCodes.groupMaxSizeReached
    }
    const isAccepted = this.#accepts(protocolType, protocols)
    return isAccepted ? errorCodes.none : errorCodes.inconsistentGroupProtocol
  }

  #hasRoomFor(memberId: string): boolean {
    const { maxSize } = this.#host.settings
    const member = this.#members.get(memberId)
    const isPreparing = this.#state === 'PreparingRebalance'
    if (member !== undefined) {
      // A group that is too large gets smaller by its rebalance, to those who come first.
      return !isPreparing || member.parkedJoin !== undefined || this.#members.joiningCount < maxSize
    }
    const present = isPreparing ? this.#members.joiningCount : this.#members.size
    const othersPending = this.#pending.size - (this.#pending.has(memberId) ? 1 : 0)
    return present + othersPending < maxSize
  }

  #turnAway(memberId: string): void {
    this.#forgetPending(memberId)
    const member = this.#members.get(memberId)
    if (member !== undefined) this.#remove(member)
    this.#completeJoinsIfDone()
  }

  #accepts(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.#members.size === 0) return true
    return protocolType === this.#protocolType && this.#members.shareOneOf(protocols)
  }

  #joinAnew(request: JoinRequest, respond: Respond<JoinResult>): void {
    const { clientId, instanceId } = request
    const id = this.#host.newMemberId(instanceId ?? clientId)
    const known = instanceId === null ? undefined : this.#members.idOfInstance(instanceId)
    const old = known === undefined ? undefined : this.#members.get(known)
    if (old !== undefined) this.#replace(old, id, request, respond)
    else if (instanceId !== null || !request.knowsMemberIdRequired) this.#add(id, request, respond)
    else {
      const expire = (): void => {
        this.#pending.delete(id)
        this.#completeJoinsIfDone()
      }
      this.#pending.set(id, this.#host.clock.after(request.sessionTimeoutMs, expire))
      respond(refusedJoin(errorCodes.memberIdRequired, id))
    }
  }

  #forgetPending(id: string): void {
    this.#pending.get(id)?.cancel()
    this.#pending.delete(id)
  }

  #add(id: string, request: JoinRequest, respond: Respond<JoinResult>): void {
    const member = new GroupMember(id, request, request)
    member.isNew = true
    member.parkedJoin = respond
    if (this.#members.size === 0) this.#protocolType = request.protocolType
    this.#members.add(member)
    this.#leaderId ??= id
    if (this.#state === 'PreparingRebalance' && this.#isFirstRebalance) this.#hasNewMembers = true
    this.#startSession(member, newMemberJoinTimeoutMs)
    this.#rebalanceOrCompleteJoins(`member ${id} joins`)
  }

  #rejoin(member: GroupMember, request: JoinRequest, respond: Respond<JoinResult>): void {
    assert(this.#state !== 'Empty', 'a group with members is not empty')
    const isChanged = !member.hasProtocols(request.protocols)
    // A leader that joins a stable group again wants its topics looked at again. In all other
    // cases the answer that gave the member this generation may have been lost.
    const isSettled =
      this.#state === 'CompletingRebalance' ||
      (this.#state === 'Stable' && member.id !== this.#leaderId)
    if (isSettled && !isChanged) {
      this.#prolong(member)
      respond(this.#joinResult(member))
      return
    }
    this.#update(member, request, respond)
    if (this.#state === 'PreparingRebalance') this.#completeJoinsIfDone()
    else {
      const what = isChanged ? `member ${member.id} has other metadata` : 'the leader joins again'
      this.#prepareRebalance(what)
    }
  }

  #update(member: GroupMember, request: JoinRequest, respond: Respond<JoinResult>): void {
    this.#members.setProtocols(member, request.protocols)
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    // Its client has given the earlier request up.
    const before = this.#members.parkJoin(member, respond)
    before?.(refusedJoin(errorCodes.rebalanceInProgress, member.id))
  }

  /** A static member's process was started again: it takes its own place under a new id. */
  #replace(old: GroupMember, id: string, request: JoinRequest, respond: Respond<JoinResult>): void {
    const oldLeaderId = this.#leaderId
    const protocolBefore = this.#protocol
    const member = new GroupMember(id, request, request)
    member.assignment = old.assignment
    old.session?.cancel()
    this.#members.answerJoin(old, refusedJoin(errorCodes.fencedInstanceId, old.id))
    this.#answerSync(old, failedSync(errorCodes.fencedInstanceId))
    this.#members.remove(old)
    this.#members.add(member)
    if (this.#unsynced.delete(old.id)) this.#unsynced.add(id)
    if (oldLeaderId === old.id) this.#leaderId = id
    this.#startSession(member, member.sessionTimeoutMs)
    if (this.#state === 'Stable' && chooseProtocol(this.#members) === protocolBefore) {
      this.#answerReplaced(member, oldLeaderId, request.knowsSkipAssignment, respond)
      return
    }
    this.#members.parkJoin(member, respond)
    if (this.#state === 'PreparingRebalance') this.#completeJoinsIfDone()
    else this.#prepareRebalance(`static member ${member.instanceId} is back and changed`)
  }

  #answerReplaced(
    member: GroupMember,
    oldLeaderId: string | undefined,
    knowsSkipAssignment: boolean,
    respond: Respond<JoinResult>,
  ): void {
    const result: JoinResult = knowsSkipAssignment
      ? { ...this.#joinResult(member), skipAssignment: member.id === this.#leaderId }
      : // Under the old id's name, so that it does not think that it has to assign.
        { ...this.#joinResult(member), leader: oldLeaderId ?? '', members: [] }
    this.#host.store(this.id, this.record(), (errorCode) => {
      respond(errorCode === errorCodes.none ? result : refusedJoin(errorCode, member.id))
    })
  }

  #rebalanceOrCompleteJoins(reason: string): void {
    if (this.#state === 'PreparingRebalance') this.#completeJoinsIfDone()
    else this.#prepareRebalance(reason)
  }

  #prepareRebalance(reason: string): void {
    const { initialRebalanceDelayMs } = this.#host.settings
    if (this.#state === 'CompletingRebalance') this.#failSyncs(errorCodes.rebalanceInProgress)
    this.#syncTimer?.cancel()
    this.#isFirstRebalance = this.#state === 'Empty'
    this.#hasNewMembers = false
    this.#changeState('PreparingRebalance')
    this.#host.note({ group: this.id, generation: this.#generation, reason }, 'rebalance begins')
    if (this.#isFirstRebalance) {
      const longestMs = rebalanceTimeoutMs(this.#members)
      this.#waitForMore(initialRebalanceDelayMs, Math.max(longestMs - initialRebalanceDelayMs, 0))
      return
    }
    this.#waitForJoins()
    this.#completeJoinsIfDone()
  }

  /** KIP-134: as long as members keep coming, the first rebalance waits on. */
  #waitForMore(delayMs: number, leftMs: number): void {
    this.#setJoinTimer(delayMs, () => {
      if (!this.#hasNewMembers || leftMs === 0) {
        this.#completeJoins()
        return
      }
      this.#hasNewMembers = false
      const nextMs = Math.min(this.#host.settings.initialRebalanceDelayMs, leftMs)
      this.#waitForMore(nextMs, Math.max(leftMs - delayMs, 0))
    })
  }

  #waitForJoins(leastMs = 0): void {
    const delayMs = Math.max(rebalanceTimeoutMs(this.#members), leastMs)
    this.#setJoinTimer(delayMs, () => this.#completeJoins())
  }

  #setJoinTimer(delayMs: number, task: () => void): void {
    this.#joinTimer?.cancel()
    this.#joinTimer = this.#host.clock.after(delayMs, task)
  }

  #completeJoinsIfDone(): void {
    if (this.#state !== 'PreparingRebalance' || this.#isFirstRebalance) return
    const areAllHere = this.#members.joiningCount === this.#members.size
    if (areAllHere && this.#pending.size === 0) this.#completeJoins()
  }

  #completeJoins(): void {
    assert(this.#state === 'PreparingRebalance', 'joins complete while a rebalance is prepared')
    this.#joinTimer?.cancel()
    for (const member of [...this.#members.values()]) {
      if (member.parkedJoin === undefined && member.instanceId === null) this.#remove(member)
    }
    const leader = chooseLeader(this.#members, this.#leaderId)
    if (leader === undefined && this.#members.size > 0) {
      // Static members alone, all silent: they come back, or their sessions end.
      this.#waitForJoins(silentWaitMs)
    } else {
      this.#leaderId = leader?.id
      this.#beginGeneration()
    }
  }

  #beginGeneration(): void {
    this.#generation = this.#generation === 0x7fff_ffff ? 0 : this.#generation + 1
    this.#unsynced.clear()
    this.#isStoring = false
    if (this.#members.size === 0) {
      this.#protocol = null
      this.#changeState('Empty')
      this.#host.store(this.id, this.record(), () => {})
      return
    }
    this.#protocol = chooseProtocol(this.#members) ?? null
    assert(this.#protocol !== null, 'members share a protocol')
    this.#changeState('CompletingRebalance')
    this.#syncTimer = this.#host.clock.after(rebalanceTimeoutMs(this.#members), () =>
      this.#onSyncTimeout(),
    )
    for (const member of this.#members.values()) {
      this.#unsynced.add(member.id)
      member.isNew = false
      this.#startSession(member, member.sessionTimeoutMs)
    }
    for (const member of [...this.#members.values()]) {
      this.#members.answerJoin(member, this.#joinResult(member))
    }
  }

  #joinResult(member: GroupMember): JoinResult {
    const isLeader = member.id === this.#leaderId
    return {
      errorCode: errorCodes.none,
      generation: this.#generation,
      protocolType: this.#protocolType ?? null,
      protocol: this.#protocol,
      leader: this.#leaderId ?? '',
      skipAssignment: false,
      memberId: member.id,
      members: isLeader
        ? Array.from(this.#members.values(), (other) => ({
            memberId: other.id,
            groupInstanceId: other.instanceId,
            metadata: other.metadataFor(this.#protocol),
          }))
        : [],
    }
  }

  // ── assigning ──

  #refuseSync(request: SyncRequest): ErrorCode {
    const refused = this.#refuseMember(request)
    if (refused !== errorCodes.none) return refused
    const isOther =
      (request.protocolType !== null && request.protocolType !== this.#protocolType) ||
      (request.protocol !== null && request.protocol !== this.#protocol)
    if (isOther) return errorCodes.inconsistentGroupProtocol
    return this.#state === 'PreparingRebalance' ? errorCodes.rebalanceInProgress : errorCodes.none
  }

  #refuseMember(request: {
    generation: number
    memberId: string
    instanceId: string | null
  }): ErrorCode {
    if (this.#state === 'Dead') return errorCodes.coordinatorNotAvailable
    const refused = this.#members.check(request.memberId, request.instanceId)
    if (refused !== errorCodes.none) return refused
    return request.generation === this.#generation ? errorCodes.none : errorCodes.illegalGeneration
  }

  #noteSynced(member: GroupMember): void {
    if (this.#unsynced.delete(member.id) && this.#unsynced.size === 0) this.#syncTimer?.cancel()
  }

  #assign(assignments: ReadonlyMap<string, Buffer>): void {
    const generation = this.#generation
    const assigned = new Map<string, Buffer>()
    for (const { id } of this.#members.values()) assigned.set(id, assignments.get(id) ?? noBytes)
    this.#isStoring = true
    this.#host.store(this.id, this.record(assigned), (errorCode) => {
      if (this.#state !== 'CompletingRebalance' || this.#generation !== generation) return
      this.#isStoring = false
      if (errorCode !== errorCodes.none) {
        this.#failSyncs(errorCode)
        this.#prepareRebalance('the assignment could not be stored')
        return
      }
      this.#changeState('Stable')
      for (const member of this.#members.values()) {
        member.assignment = assigned.get(member.id) ?? noBytes
      }
      for (const member of [...this.#members.values()]) {
        if (member.parkedSync !== undefined) this.#prolong(member)
        this.#answerSync(member, this.#syncResult(member))
      }
    })
  }

  #syncResult({ assignment }: GroupMember): SyncResult {
    const protocolType = this.#protocolType ?? null
    return { errorCode: errorCodes.none, protocolType, protocol: this.#protocol, assignment }
  }

  /** An assignment of this generation will not come any more. */
  #failSyncs(errorCode: ErrorCode): void {
    for (const member of [...this.#members.values()]) {
      member.assignment = noBytes
      if (member.parkedSync !== undefined) this.#prolong(member)
      this.#answerSync(member, failedSync(errorCode))
    }
  }

  #answerSync(member: GroupMember, result: SyncResult): void {
    const respond = member.parkedSync
    if (respond === undefined) return
    member.parkedSync = undefined
    respond(result)
  }

  /** Members that took their generation and never asked for their part of it. */
  #onSyncTimeout(): void {
    if (this.#state !== 'CompletingRebalance' && this.#state !== 'Stable') return
    for (const id of [...this.#unsynced]) {
      const member = this.#members.get(id)
      if (member !== undefined) this.#remove(member)
    }
    this.#prepareRebalance('members did not ask for their assignment')
  }

  // ── losing members ──

  #startSession(member: GroupMember, timeoutMs: number): void {
    member.session?.cancel()
    member.sessionSetMs = this.#host.clock.elapsedMs()
    member.session = this.#host.clock.after(timeoutMs, () => this.#onSessionEnd(member))
  }

  #prolong(member: GroupMember): void {
    if (this.#host.clock.elapsedMs() - member.sessionSetMs < sessionStepMs) return
    this.#startSession(member, member.sessionTimeoutMs)
  }

  #onSessionEnd(member: GroupMember): void {
    const isWaiting = member.parkedJoin !== undefined || member.parkedSync !== undefined
    // Who waits for us need not show that it lives, except for a client nobody ever heard of again.
    if (isWaiting && !member.isNew) return
    this.#host.note({ group: this.id, member: member.id }, 'member lost: its session ended')
    this.#remove(member)
    this.#onMemberGone()
  }

  #remove(member: GroupMember): void {
    member.session?.cancel()
    this.#members.answerJoin(member, refusedJoin(errorCodes.unknownMemberId, member.id))
    this.#answerSync(member, failedSync(errorCodes.unknownMemberId))
    this.#members.remove(member)
    this.#noteSynced(member)
    if (this.#leaderId === member.id) {
      const [next] = this.#members.values()
      this.#leaderId = next?.id
    }
  }

  #onMemberGone(): void {
    if (this.#state === 'Stable' || this.#state === 'CompletingRebalance') {
      this.#prepareRebalance('a member is gone')
    } else this.#completeJoinsIfDone()
  }

  #changeState(state: GroupState): void {
    this.#state = state
    this.#stateSinceMs = this.#host.clock.now()
  }
}

export function refusedJoin(errorCode: ErrorCode, memberId: string): JoinResult {
  return {
    errorCode,
    generation: -1,
    protocolType: null,
    protocol: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  }
}

export function failedSync(errorCode: ErrorCode): SyncResult {
  return { errorCode, protocolType: null, protocol: null, assignment: noBytes }
}
