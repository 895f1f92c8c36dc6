/**
 * All consumer groups of this broker: finds the group a request is about, parks what has to wait,
 * keeps offsets and group records in the table, and drops what has expired.
 *
 * There is one node, so it coordinates every group. Until the table is read, requests are answered
 * that it is being loaded; clients ask again.
 */
import { randomUUID } from 'node:crypto'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { onAbort } from '../../base/on-abort.ts'
import type { DurabilityLevel } from '../../base/types.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import type { Commit, OffsetEntry } from './committed-offsets.ts'
import { failedSync, Group, type GroupHost, refusedJoin } from './group.ts'
import { type GroupChange, GroupJournal } from './group-journal.ts'
import type { JoinRequest, JoinResult, SyncRequest, SyncResult } from './group-member.ts'
import {
  type GroupRecord,
  type GroupTableValue,
  groupKey,
  groupPrefix,
  offsetKey,
  offsetPrefix,
  parseOffsetKey,
} from './group-record.ts'
import { expiryIntervalMs, type GroupSettings } from './group-settings.ts'
import type { GroupTable } from './group-table.ts'
import { expiredOffsets } from './offset-expiry.ts'

export type CoordinatorDetails = {
  readonly settings: GroupSettings
  /** What acknowledged commits and assignments have reached. */
  readonly level: DurabilityLevel
  readonly clock: Clock
  readonly logger: Logger
  /** Id of a topic that exists. */
  readonly topicId: (name: string) => string | undefined
}

/** Who sends a request: what every call of a member carries. */
export type MemberClaim = {
  readonly generation: number
  readonly memberId: string
  readonly instanceId: string | null
}

/** One offset to be committed; topic and partition exist. */
export type OffsetToCommit = {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  /** Of old clients; undefined leaves it to the server. */
  readonly committedMs?: number | undefined
  readonly retentionMs?: number | undefined
}

export class GroupCoordinator implements GroupHost {
  readonly clock: Clock
  readonly settings: GroupSettings
  readonly #details: CoordinatorDetails
  readonly #groups = new Map<string, Group>()
  #journal: GroupJournal | undefined
  #state: 'loading' | 'ready' | 'closed' = 'loading'
  #expiryTimer: Timer | undefined

  constructor(details: CoordinatorDetails) {
    this.#details = details
    this.clock = details.clock
    this.settings = details.settings
  }

  /** Takes over the groups that are in the table. */
  load(table: GroupTable<GroupTableValue>): void {
    this.#journal = new GroupJournal(table, this.#details.level, this.#details.logger)
    for (const [key, value] of table.range({ prefix: groupPrefix })) {
      const id = key.slice(groupPrefix.length)
      this.#groups.set(id, new Group(id, this, value as GroupRecord))
    }
    for (const [key, value] of table.range({ prefix: offsetPrefix })) {
      const place = parseOffsetKey(key)
      if (place === undefined) continue
      const { group, topic, partition } = place
      this.#groupOrNew(group).offsets.restore(topic, partition, value as Commit)
    }
    this.#state = 'ready'
    this.#scheduleExpiry()
  }

  /** Answers what is parked and stops all timers; resolves when nothing is being written. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#expiryTimer?.cancel()
    for (const group of this.#groups.values()) group.end(errorCodes.notCoordinator)
    await this.#journal?.settled()
  }

  /** Why no group can be served now; `none` when they can. */
  get availability(): ErrorCode {
    if (this.#state === 'loading') return errorCodes.coordinatorLoadInProgress
    return this.#state === 'ready' ? errorCodes.none : errorCodes.notCoordinator
  }

  groups(): IterableIterator<Group> {
    return this.#groups.values()
  }

  group(id: string): Group | undefined {
    return this.#groups.get(id)
  }

  join(id: string, request: JoinRequest, signal: AbortSignal): JoinResult | Promise<JoinResult> {
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.settings
    const { memberId, sessionTimeoutMs } = request
    const refused = (errorCode: ErrorCode): JoinResult => refusedJoin(errorCode, memberId)
    if (this.availability !== errorCodes.none) return refused(this.availability)
    if (id === '') return refused(errorCodes.invalidGroupId)
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return refused(errorCodes.invalidSessionTimeout)
    }
    const known = this.#groups.get(id)
    if (known === undefined && memberId !== '') return refused(errorCodes.unknownMemberId)
    const group = known ?? new Group(id, this)
    return this.#park(signal, refused(errorCodes.coordinatorNotAvailable), (respond) => {
      group.join(request, respond)
      // One that could not be joined leaves no trace.
      if (known === undefined && group.memberCount + group.pendingCount > 0) {
        this.#groups.set(id, group)
      }
    })
  }

  sync(id: string, request: SyncRequest, signal: AbortSignal): SyncResult | Promise<SyncResult> {
    const group = this.#find(id)
    if (typeof group === 'number') return failedSync(group)
    const aborted = failedSync(errorCodes.coordinatorNotAvailable)
    return this.#park(signal, aborted, (respond) => group.sync(request, respond))
  }

  heartbeat(id: string, claim: MemberClaim): ErrorCode {
    const group = this.#find(id)
    return typeof group === 'number' ? group : group.heartbeat(claim)
  }

  /** One code per member, once the group's new state is durable; or one for the whole request. */
  async leave(
    id: string,
    leaving: readonly Pick<MemberClaim, 'memberId' | 'instanceId'>[],
  ): Promise<ErrorCode[] | ErrorCode> {
    if (this.availability !== errorCodes.none) return this.availability
    if (id === '') return errorCodes.invalidGroupId
    const group = this.#groups.get(id)
    if (group === undefined) return leaving.map(() => errorCodes.unknownMemberId)
    const codes = group.leave(leaving)
    await this.#journal?.settled()
    return codes
  }

  /**
   * Commits offsets, all or none. Resolves with `none` when they are durable; from then on they are
   * fetched, also after a crash.
   */
  commit(
    id: string,
    claim: MemberClaim,
    offsets: readonly OffsetToCommit[],
  ): ErrorCode | Promise<ErrorCode> {
    if (this.availability !== errorCodes.none) return this.availability
    const known = this.#groups.get(id)
    if (known === undefined && claim.generation >= 0) return errorCodes.groupIdNotFound
    const refused = known?.checkCommit(claim) ?? errorCodes.none
    if (refused !== errorCodes.none || offsets.length === 0) return refused
    return this.#write(known ?? this.#groupOrNew(id), offsets)
  }

  /** Resolves when commits begun before are durable: a client may read what it has just written. */
  settled(): Promise<void> {
    return this.#journal?.settled() ?? Promise.resolve()
  }

  /** The offset last committed for a topic that is still the same one. */
  committed(group: Group, topic: string, partition: number): Commit | undefined {
    const commit = group.offsets.get(topic, partition)
    return commit?.topicId === this.#details.topicId(topic) ? commit : undefined
  }

  /** Takes offsets out, durably. */
  deleteOffsets(group: Group, entries: readonly OffsetEntry[]): Promise<ErrorCode> {
    const changes = entries.map(({ topic, partition }): GroupChange => {
      group.offsets.delete(topic, partition)
      return { key: offsetKey(group.id, topic, partition), delete: true }
    })
    return this.#append(changes)
  }

  /** Removes a group without members, and its offsets, durably. */
  deleteGroup(id: string): ErrorCode | Promise<ErrorCode> {
    if (this.availability !== errorCodes.none) return this.availability
    const group = this.#groups.get(id)
    if (group === undefined) return errorCodes.groupIdNotFound
    if (group.state !== 'Empty') return errorCodes.nonEmptyGroup
    return this.#remove(group)
  }

  /** The topic is gone: so are its offsets. */
  async onTopicDeleted(topic: string): Promise<void> {
    if (this.#state !== 'ready') return
    const deletions: Promise<ErrorCode>[] = []
    for (const group of this.#groups.values()) {
      const entries = group.offsets.entries(topic)
      if (entries.length > 0) deletions.push(this.deleteOffsets(group, entries))
    }
    // What could not be written is not fetched either, because the topic has another id.
    await Promise.all(deletions)
  }

  // GroupHost

  newMemberId(prefix: string): string {
    return `${prefix}-${randomUUID()}`
  }

  store(groupId: string, record: GroupRecord, done: (errorCode: ErrorCode) => void): void {
    let textBytes = 0
    for (const { assignment, protocols } of record.members) {
      textBytes += assignment.length
      for (const [, metadata] of protocols) textBytes += metadata.length
    }
    const change: GroupChange = { key: groupKey(groupId), value: record }
    this.#append([change], textBytes + 200 * record.members.length).then(done)
  }

  note(fields: Record<string, unknown>, message: string): void {
    this.#details.logger.debug(fields, message)
  }

  /** Starts what may be answered later. A parked request whose connection ends is answered then. */
  #park<Result>(
    signal: AbortSignal,
    aborted: Result,
    start: (respond: (result: Result) => void) => void,
  ): Result | Promise<Result> {
    if (signal.aborted) return aborted
    let answer: { result: Result } | undefined
    let settle = (result: Result): void => {
      answer ??= { result }
    }
    start((result) => settle(result))
    if (answer !== undefined) return (answer as { result: Result }).result
    return new Promise((resolve) => {
      // The group keeps the request: whoever joined waits for its generation, heard or not.
      const forget = onAbort(signal, () => resolve(aborted))
      settle = (result) => {
        forget()
        resolve(result)
      }
    })
  }

  /** The group of a member's request, or why there is none. */
  #find(id: string): Group | ErrorCode {
    if (this.availability !== errorCodes.none) return this.availability
    if (id === '') return errorCodes.invalidGroupId
    return this.#groups.get(id) ?? errorCodes.unknownMemberId
  }

  #groupOrNew(id: string): Group {
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = new Group(id, this)
      this.#groups.set(id, group)
    }
    return group
  }

  async #write(group: Group, offsets: readonly OffsetToCommit[]): Promise<ErrorCode> {
    const nowMs = this.clock.now()
    const begun: { entry: OffsetEntry; commit: Commit }[] = []
    const changes: GroupChange[] = []
    let textBytes = 0
    for (const { topic, partition, topicId, offset, leaderEpoch, metadata, ...times } of offsets) {
      const { committedMs = nowMs, retentionMs } = times
      const expiresMs = retentionMs === undefined ? null : committedMs + retentionMs
      const commit = { offset, leaderEpoch, metadata, committedMs, expiresMs, topicId }
      begun.push({ entry: group.offsets.begin(topic, partition), commit })
      changes.push({ key: offsetKey(group.id, topic, partition), value: commit })
      textBytes += metadata.length
    }
    const errorCode = await this.#append(changes, textBytes)
    for (const { entry, commit } of begun) {
      group.offsets.settle(entry, errorCode === errorCodes.none ? commit : undefined)
    }
    return errorCode
  }

  #append(changes: readonly GroupChange[], textBytes = 0): Promise<ErrorCode> {
    if (changes.length === 0) return Promise.resolve(errorCodes.none)
    const journal = this.#journal
    return journal?.write(changes, textBytes) ?? Promise.resolve(this.availability)
  }

  #remove(group: Group): Promise<ErrorCode> {
    const changes: GroupChange[] = group.offsets.entries().map(({ topic, partition }) => {
      group.offsets.delete(topic, partition)
      return { key: offsetKey(group.id, topic, partition), delete: true }
    })
    changes.push({ key: groupKey(group.id), delete: true })
    group.end()
    this.#groups.delete(group.id)
    return this.#append(changes)
  }

  #scheduleExpiry(): void {
    this.#expiryTimer = this.clock.after(expiryIntervalMs, () => {
      this.#expire()
      this.#scheduleExpiry()
    })
  }

  /** Drops expired offsets, and groups that hold nothing any more. */
  #expire(): void {
    const { topicId } = this.#details
    const rules = {
      nowMs: this.clock.now(),
      retentionMs: this.settings.offsetsRetentionMs,
      topicId,
    }
    for (const group of [...this.#groups.values()]) {
      const expired = expiredOffsets(group, rules)
      if (expired.length > 0) {
        this.#details.logger.info({ group: group.id, offsets: expired.length }, 'offsets expired')
        void this.deleteOffsets(group, expired)
      }
      const isUnused = group.state === 'Empty' && group.pendingCount === 0
      if (isUnused && group.offsets.isEmpty) void this.#remove(group)
    }
  }
}
