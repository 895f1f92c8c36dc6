/** A group without a broker: its host, and clients that speak to it as a consumer would. */

import { Group, type GroupHost } from '../../src/broker/groups/group.ts'
import type { JoinRequest, JoinResult, SyncResult } from '../../src/broker/groups/group-member.ts'
import type { GroupRecord } from '../../src/broker/groups/group-record.ts'
import { defaultGroupSettings, type GroupSettings } from '../../src/broker/groups/group-settings.ts'
import type { ErrorCode } from '../../src/protocol/error-codes.ts'
import { errorCodes } from '../../src/protocol/error-codes.ts'
import { SteppedClock } from './stepped-clock.ts'

export class TestHost implements GroupHost {
  readonly clock = new SteppedClock()
  readonly settings: GroupSettings
  /** The group's records as they became durable. */
  readonly records: GroupRecord[] = []
  /** What writing a record answers; undefined keeps it waiting in `writes`. */
  storeResult: ErrorCode | undefined = errorCodes.none
  readonly writes: ((errorCode: ErrorCode) => void)[] = []
  #ids = 0

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...defaultGroupSettings, ...settings }
  }

  newMemberId(prefix: string): string {
    return `${prefix}-${++this.#ids}`
  }

  store(_groupId: string, record: GroupRecord, done: (errorCode: ErrorCode) => void): void {
    const finish = (errorCode: ErrorCode): void => {
      // As it would be read back.
      if (errorCode === errorCodes.none) this.records.push(JSON.parse(JSON.stringify(record)))
      done(errorCode)
    }
    if (this.storeResult === undefined) this.writes.push(finish)
    else finish(this.storeResult)
  }

  note(): void {}
}

export type Answered<Result> = { result: Result | undefined; count: number }

/** Keeps the answer to a request that may have to wait. */
export function answered<Result>(
  ask: (respond: (result: Result) => void) => void,
): Answered<Result> {
  const answer: Answered<Result> = { result: undefined, count: 0 }
  ask((result) => {
    answer.result = result
    answer.count++
  })
  return answer
}

export const protocolOf = (name: string, metadata = '') => ({
  name,
  metadata: Buffer.from(metadata),
})

export const joinDefaults: JoinRequest = {
  memberId: '',
  instanceId: null,
  clientId: 'c',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [protocolOf('range')],
  knowsMemberIdRequired: false,
  knowsSkipAssignment: false,
}

export class TestGroup {
  readonly host: TestHost
  readonly group: Group

  constructor(settings: Partial<GroupSettings> = {}, record?: GroupRecord) {
    this.host = new TestHost(settings)
    this.group = new Group('g', this.host, record)
  }

  get clock(): SteppedClock {
    return this.host.clock
  }

  join(request: Partial<JoinRequest> = {}): Answered<JoinResult> {
    return answered((respond) => this.group.join({ ...joinDefaults, ...request }, respond))
  }

  sync(
    memberId: string,
    options: {
      generation?: number
      instanceId?: string | null
      assignments?: Record<string, string>
      protocolType?: string | null
      protocol?: string | null
    } = {},
  ): Answered<SyncResult> {
    const { generation = this.group.generation, instanceId = null } = options
    const { protocolType = null, protocol = null } = options
    const given = Object.entries(options.assignments ?? {})
    const assignments = new Map(given.map(([id, text]) => [id, Buffer.from(text)]))
    const request = { generation, memberId, instanceId, protocolType, protocol, assignments }
    return answered((respond) => this.group.sync(request, respond))
  }

  heartbeat(
    memberId: string,
    generation: number = this.group.generation,
    instanceId: string | null = null,
  ): ErrorCode {
    return this.group.heartbeat({ generation, memberId, instanceId })
  }

  /** A stable group of `count` members, each assigned its own id; the first one leads. */
  static stable(count: number, settings: Partial<GroupSettings> = {}) {
    const group = new TestGroup(settings)
    const joins = Array.from({ length: count }, () => group.join())
    group.clock.advance(group.host.settings.initialRebalanceDelayMs)
    const ids = joins.map(({ result }) => result!.memberId)
    group.syncAll(ids)
    return { group, ids }
  }

  syncAll(ids: readonly string[]): Answered<SyncResult>[] {
    const assignments = Object.fromEntries(ids.map((id) => [id, id]))
    return ids.map((id) => this.sync(id, { assignments }))
  }
}
