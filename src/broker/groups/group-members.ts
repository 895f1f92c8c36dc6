/**
 * The members of one group, by id and by instance id, with what must always agree with them: how
 * many know each protocol, and how many have a parked join.
 */
import { assert } from '../../base/assert.ts'
import { type ErrorCode, errorCodes } from '../../protocol/error-codes.ts'
import type { GroupMember, JoinResult, MemberProtocol, Respond } from './group-member.ts'

export class GroupMembers {
  /** In the order of their joins: the first is the next leader. */
  readonly #byId = new Map<string, GroupMember>()
  readonly #idByInstance = new Map<string, string>()
  readonly #supporters = new Map<string, number>()
  #joiningCount = 0

  get size(): number {
    return this.#byId.size
  }

  /** Members with a parked join. */
  get joiningCount(): number {
    return this.#joiningCount
  }

  get(id: string): GroupMember | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<GroupMember> {
    return this.#byId.values()
  }

  idOfInstance(instanceId: string): string | undefined {
    return this.#idByInstance.get(instanceId)
  }

  add(member: GroupMember): void {
    assert(!this.#byId.has(member.id), 'a member is added once')
    this.#byId.set(member.id, member)
    if (member.instanceId !== null) this.#idByInstance.set(member.instanceId, member.id)
    this.#count(member.protocols, 1)
    if (member.parkedJoin !== undefined) this.#joiningCount++
  }

  remove(member: GroupMember): void {
    assert(this.#byId.get(member.id) === member, 'who is removed is a member')
    assert(member.parkedJoin === undefined, 'a removed member waits for nothing')
    this.#byId.delete(member.id)
    if (member.instanceId !== null) this.#idByInstance.delete(member.instanceId)
    this.#count(member.protocols, -1)
  }

  setProtocols(member: GroupMember, protocols: readonly MemberProtocol[]): void {
    this.#count(member.protocols, -1)
    member.protocols = protocols
    this.#count(protocols, 1)
  }

  /** Lets the member's join wait. @returns the one that waited before, to be answered. */
  parkJoin(member: GroupMember, respond: Respond<JoinResult>): Respond<JoinResult> | undefined {
    const before = member.parkedJoin
    if (before === undefined) this.#joiningCount++
    member.parkedJoin = respond
    return before
  }

  answerJoin(member: GroupMember, result: JoinResult): void {
    const respond = member.parkedJoin
    if (respond === undefined) return
    member.parkedJoin = undefined
    this.#joiningCount--
    respond(result)
  }

  /** Whether `id` is a member and `instanceId`, when given, is its own. */
  check(id: string, instanceId: string | null): ErrorCode {
    if (instanceId !== null) {
      const owner = this.#idByInstance.get(instanceId)
      if (owner === undefined) return errorCodes.unknownMemberId
      if (owner !== id) return errorCodes.fencedInstanceId
    }
    return this.#byId.has(id) ? errorCodes.none : errorCodes.unknownMemberId
  }

  /** Whether every member knows one of these protocols. */
  shareOneOf(protocols: readonly MemberProtocol[]): boolean {
    return protocols.some(({ name }) => this.isShared(name))
  }

  /** Whether every member knows this protocol. */
  isShared(protocol: string): boolean {
    return this.#supporters.get(protocol) === this.size
  }

  #count(protocols: readonly MemberProtocol[], by: 1 | -1): void {
    // A name given twice is one protocol.
    for (const name of new Set(protocols.map((protocol) => protocol.name))) {
      const count = (this.#supporters.get(name) ?? 0) + by
      if (count === 0) this.#supporters.delete(name)
      else this.#supporters.set(name, count)
    }
  }
}
