/**
 * Incremental fetch sessions (KIP-227): the server remembers which partitions a client fetches and
 * what it was last told of each, so that requests name only changes and answers only news.
 *
 * | session id | epoch | what the client asks for                                            |
 * | ---------- | ----- | ------------------------------------------------------------------- |
 * | 0          | −1    | all it names, without a session                                     |
 * | any        | 0     | all it names, and a new session; the one it names is over           |
 * | s          | −1    | all it names; session s is over                                     |
 * | s          | n > 0 | what session s has, changed by what it names; n counts from 1       |
 *
 * Bounds: `slots` sessions and `maxSessionPartitions` partitions over all of them. When there is no
 * room, the session unused for longest goes if that is `idleMs` or more; otherwise the new one is
 * declined, which is always legal: the client goes on naming all it wants.
 */
import { randomInt } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import type { AskedPartition, PartitionData } from './fetch-partition.ts'

export const maxSessionPartitions = 200_000
export const sessionIdleMs = 120_000

const maxEpoch = 0x7fff_ffff
const noEpoch = -1
const firstEpoch = 0

/** A partition of a session: what is asked of it and what was last told. */
export type SessionPartition = {
  readonly name: string
  readonly topicId: string
  asked: AskedPartition
  /** −1: not told yet, or an error was. */
  toldHighWatermark: number
  toldLogStart: number
}

/** Partitions of one topic as a request names them: by id in newer versions. */
export type NamedPartitions<Partition> = {
  readonly topic: string
  readonly topicId: string
  readonly partitions: readonly Partition[]
}

export type SessionRequest = {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly topics: readonly NamedPartitions<AskedPartition>[]
  readonly forgottenTopicsData: readonly NamedPartitions<number>[]
}

/** How one request is to be answered. */
export type SessionFetch = {
  /** 0 when there is no session, or none any more. */
  readonly sessionId: number
  /** In the order in which they are to be read. */
  readonly partitions: readonly SessionPartition[]
  /** Only news is answered. */
  readonly isIncremental: boolean
  /** The session, to be told what was answered. */
  readonly session: FetchSession | undefined
}

export class FetchSession {
  readonly id: number
  readonly usesTopicIds: boolean
  readonly #partitions = new Map<string, SessionPartition>()
  expectedEpoch = 1
  lastUsedMs = 0

  constructor(id: number, usesTopicIds: boolean) {
    this.id = id
    this.usesTopicIds = usesTopicIds
  }

  get size(): number {
    return this.#partitions.size
  }

  partitions(): SessionPartition[] {
    return [...this.#partitions.values()]
  }

  /** Adds partitions, or changes what is asked of those there are. */
  ask(topics: readonly NamedPartitions<AskedPartition>[]): void {
    for (const { topic: name, topicId, partitions } of topics) {
      for (const asked of partitions) {
        const key = this.#key(name, topicId, asked.partition)
        const known = this.#partitions.get(key)
        if (known !== undefined) known.asked = asked
        else this.#partitions.set(key, notTold(name, topicId, asked))
      }
    }
  }

  forget(topics: readonly NamedPartitions<number>[]): void {
    for (const { topic, topicId, partitions } of topics) {
      for (const partition of partitions) {
        this.#partitions.delete(this.#key(topic, topicId, partition))
      }
    }
  }

  /**
   * Takes note of what is answered of one of its partitions.
   *
   * @returns whether that is news. A partition with records goes behind the others, so that none
   *          starves when an answer is full before its turn.
   */
  tell(partition: SessionPartition, data: PartitionData): boolean {
    const hasRecords = data.records.length > 0
    const isNews =
      hasRecords ||
      data.errorCode !== errorCodes.none ||
      data.divergingEpoch !== undefined ||
      data.highWatermark !== partition.toldHighWatermark ||
      data.logStartOffset !== partition.toldLogStart
    // After an error the recovery is news, whatever the marks.
    const isError = data.errorCode !== errorCodes.none
    partition.toldHighWatermark = isError ? -1 : data.highWatermark
    partition.toldLogStart = isError ? -1 : data.logStartOffset
    if (hasRecords) {
      const key = this.#key(partition.name, partition.topicId, partition.asked.partition)
      // It may have been forgotten while the fetch waited.
      if (this.#partitions.delete(key)) this.#partitions.set(key, partition)
    }
    return isNews
  }

  #key(name: string, topicId: string, partition: number): string {
    return `${this.usesTopicIds ? topicId : name}/${partition}`
  }
}

export class FetchSessions {
  readonly #clock: Clock
  readonly #slots: number
  /** The one unused for longest comes first. */
  readonly #sessions = new Map<number, FetchSession>()
  #partitionCount = 0

  /** @param slots most sessions kept; 0 declines all. */
  constructor(clock: Clock, slots: number) {
    this.#clock = clock
    this.#slots = slots
  }

  get count(): number {
    return this.#sessions.size
  }

  /** Partitions of all sessions. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  /** @returns how to answer, or the error of the whole request. */
  begin(request: SessionRequest, usesTopicIds: boolean): SessionFetch | ErrorCode {
    const { sessionId, sessionEpoch, topics } = request
    if (sessionEpoch < noEpoch) return errorCodes.invalidFetchSessionEpoch
    if (sessionEpoch > firstEpoch) return this.#continue(request, usesTopicIds)
    if (sessionId !== 0) this.#close(this.#sessions.get(sessionId))
    const session = sessionEpoch === firstEpoch ? this.#create(topics, usesTopicIds) : undefined
    if (session !== undefined) {
      const partitions = session.partitions()
      return { sessionId: session.id, partitions, isIncremental: false, session }
    }
    return withoutSession(topics)
  }

  #continue(request: SessionRequest, usesTopicIds: boolean): SessionFetch | ErrorCode {
    const session = this.#sessions.get(request.sessionId)
    if (session === undefined) return errorCodes.fetchSessionIdNotFound
    if (session.usesTopicIds !== usesTopicIds) return errorCodes.fetchSessionTopicIdError
    if (request.sessionEpoch !== session.expectedEpoch) return errorCodes.invalidFetchSessionEpoch
    session.expectedEpoch = session.expectedEpoch === maxEpoch ? 1 : session.expectedEpoch + 1
    const before = session.size
    session.forget(request.forgottenTopicsData)
    session.ask(request.topics)
    this.#partitionCount += session.size - before
    this.#use(session)
    if (this.#partitionCount > maxSessionPartitions) {
      // No room for what was added: the client begins anew, and is declined then.
      this.#close(session)
      return errorCodes.fetchSessionIdNotFound
    }
    if (session.size === 0) {
      this.#close(session)
      return withoutSession([])
    }
    const partitions = session.partitions()
    return { sessionId: session.id, partitions, isIncremental: true, session }
  }

  #create(
    topics: readonly NamedPartitions<AskedPartition>[],
    usesTopicIds: boolean,
  ): FetchSession | undefined {
    if (!this.#hasSlot()) return undefined
    const session = new FetchSession(this.#newId(), usesTopicIds)
    session.ask(topics)
    if (this.#partitionCount + session.size > maxSessionPartitions) return undefined
    this.#partitionCount += session.size
    this.#use(session)
    return session
  }

  /** Makes room for one more when the session unused for longest has been so for long enough. */
  #hasSlot(): boolean {
    if (this.#sessions.size < this.#slots) return true
    const [oldest] = this.#sessions.values()
    if (oldest === undefined) return false
    if (this.#clock.elapsedMs() - oldest.lastUsedMs < sessionIdleMs) return false
    this.#close(oldest)
    return true
  }

  #newId(): number {
    for (;;) {
      const id = randomInt(1, maxEpoch)
      if (!this.#sessions.has(id)) return id
    }
  }

  #use(session: FetchSession): void {
    session.lastUsedMs = this.#clock.elapsedMs()
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
  }

  #close(session: FetchSession | undefined): void {
    if (session === undefined) return
    this.#sessions.delete(session.id)
    this.#partitionCount -= session.size
  }
}

/** Also a partition that is named twice is answered twice then, as it was asked. */
function withoutSession(topics: readonly NamedPartitions<AskedPartition>[]): SessionFetch {
  const partitions = topics.flatMap(({ topic, topicId, partitions: asked }) =>
    asked.map((each) => notTold(topic, topicId, each)),
  )
  return { sessionId: 0, partitions, isIncremental: false, session: undefined }
}

function notTold(name: string, topicId: string, asked: AskedPartition): SessionPartition {
  return { name, topicId, asked, toldHighWatermark: -1, toldLogStart: -1 }
}
