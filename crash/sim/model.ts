/**
 * What a store may hold after a crash: a model so simple that it is right by reading. It knows what
 * was accepted, how far which promise reaches, and what is undecided because no answer came.
 */

import type { Group, GroupCommit, UndecidedGroup } from './model-groups.ts'

/** One batch of an idempotent producer, kept as the client would keep it: to send it again. */
export type SentBatch = {
  readonly bytes: Buffer
  readonly offset: number
  readonly recordCount: number
  readonly baseSequence: number
}

/** How many batches a client may have under way, and a log remembers. */
const rememberedBatches = 5

export class ProducerModel {
  readonly id: number
  nextSequence = 0
  /** The last ones, oldest first. */
  sent: SentBatch[] = []
  /** What recoveries found gone since the client last sent something. */
  lost: SentBatch[] = []

  constructor(id: number) {
    this.id = id
  }

  note(batch: SentBatch): void {
    this.lost = []
    this.sent.push(batch)
    if (this.sent.length > rememberedBatches) this.sent.shift()
    this.nextSequence = batch.baseSequence + batch.recordCount
  }

  /** The log ends at `end`: what was sent behind it is lost, and the client goes back to there. */
  cut(end: number): void {
    const lost = this.sent.filter(({ offset, recordCount }) => offset + recordCount > end)
    this.sent = this.sent.filter((batch) => !lost.includes(batch))
    this.lost.unshift(...lost)
    if (lost[0] !== undefined) this.nextSequence = lost[0].baseSequence
  }

  clone(): ProducerModel {
    const copy = new ProducerModel(this.id)
    copy.nextSequence = this.nextSequence
    copy.sent = [...this.sent]
    copy.lost = [...this.lost]
    return copy
  }
}

/** What one named consumer has committed in one log. */
export type CommitModel = {
  /** At least so much after losing power, and after losing the process. */
  disk: number
  os: number
  /** At most so much: the highest that was ever asked for. */
  most: number
  /** What was asked for by itself, outside of any group. */
  singles: Set<number>
  /** What groups asked for since the log was last truncated. */
  asked: Set<number>
}

export function newCommitModel(): CommitModel {
  return { disk: 0, os: 0, most: 0, singles: new Set(), asked: new Set() }
}

export class LogModel {
  /** Values by offset, as accepted, trimmed ones included. */
  accepted: string[] = []
  /** Ends of batches: a log may end at one of these only. */
  borders = new Set([0])
  /** The log reaches at least here after losing power. */
  diskEnd = 0
  /** The log reaches at least here after losing the process. */
  osEnd = 0
  /** The log starts somewhere between these, both inclusive. */
  minStart = 0
  maxStart = 0
  /** The highest offset it was ever trimmed to. */
  trimmedTo = 0
  /** An acknowledgement that a truncation overtook says nothing. */
  truncations = 0
  /** A truncation began and was not answered: it may have happened, durably or not. */
  isTruncating = false
  /** Largest batch in bytes that the log's segments take. */
  maxValueBytes: number
  producers = new Map<number, ProducerModel>()
  commits = new Map<string, CommitModel>()

  constructor(maxValueBytes: number) {
    this.maxValueBytes = maxValueBytes
  }

  accept(values: readonly string[]): void {
    this.accepted.push(...values)
    this.borders.add(this.accepted.length)
  }

  ackedAtDisk(end: number): void {
    this.diskEnd = Math.max(this.diskEnd, end)
  }

  producer(id: number): ProducerModel {
    let producer = this.producers.get(id)
    if (producer === undefined) this.producers.set(id, (producer = new ProducerModel(id)))
    return producer
  }

  /** The last batch border at or below `offset`. */
  borderAtOrBelow(offset: number): number {
    let border = 0
    for (const one of this.borders) if (one <= offset && one > border) border = one
    return border
  }

  /** Nothing is known any more of what stood at `end` and behind it. */
  cut(end: number): void {
    this.accepted.length = end
    for (const border of this.borders) if (border > end) this.borders.delete(border)
    this.diskEnd = Math.min(this.diskEnd, end)
    this.osEnd = Math.min(this.osEnd, end)
    this.cutCommits(end)
    for (const commit of this.commits.values()) {
      if (commit.most <= end) continue
      // Whatever stands there later: nobody committed it yet. One beyond is worth this.
      commit.most = end
      commit.singles.add(end)
    }
  }

  /** The log may have been trimmed up to `offset`. */
  mayStartBefore(offset: number): void {
    this.maxStart = Math.max(this.maxStart, offset)
    this.trimmedTo = Math.max(this.trimmedTo, offset)
  }

  /** A truncation to `end` begins: which group a position before it is of nobody can tell any more. */
  forgetGroups(end: number): void {
    for (const commit of this.commits.values()) {
      for (const offset of commit.asked) commit.singles.add(Math.min(offset, end))
      commit.asked.clear()
    }
  }

  /** Positions beyond `end` are worth no more than that. */
  cutCommits(end: number): void {
    for (const commit of this.commits.values()) {
      commit.disk = Math.min(commit.disk, end)
      commit.os = Math.min(commit.os, end)
    }
  }

  clone(): LogModel {
    const copy = new LogModel(this.maxValueBytes)
    copy.accepted = [...this.accepted]
    copy.borders = new Set(this.borders)
    copy.diskEnd = this.diskEnd
    copy.osEnd = this.osEnd
    copy.minStart = this.minStart
    copy.maxStart = this.maxStart
    copy.trimmedTo = this.trimmedTo
    copy.truncations = this.truncations
    copy.isTruncating = this.isTruncating
    for (const [id, producer] of this.producers) copy.producers.set(id, producer.clone())
    for (const [name, commit] of this.commits) {
      const { singles, asked } = commit
      copy.commits.set(name, { ...commit, singles: new Set(singles), asked: new Set(asked) })
    }
    return copy
  }
}

export class TopicModel {
  readonly id: string
  readonly logs: LogModel[]
  readonly maxValueBytes: number
  /** Partitions it may have got, when no answer to that came. */
  growingTo: number | undefined

  constructor(id: string, partitions: number, maxValueBytes: number) {
    this.id = id
    this.maxValueBytes = maxValueBytes
    this.logs = []
    this.grow(partitions)
  }

  grow(partitions: number): void {
    while (this.logs.length < partitions) this.logs.push(new LogModel(this.maxValueBytes))
    this.growingTo = undefined
  }

  clone(): TopicModel {
    const copy = new TopicModel(this.id, 0, this.maxValueBytes)
    for (const log of this.logs) copy.logs.push(log.clone())
    copy.growingTo = this.growingTo
    return copy
  }
}

/** A topic of which it is not known whether it is there. */
export type UnsureTopic = {
  readonly partitions: number
  readonly maxValueBytes: number
  /** Nothing waits for an answer any more: only the next open tells. */
  isSettled: boolean
}

export type StopKind = 'unclean' | 'clean' | 'either'

export class StoreModel {
  topics = new Map<string, TopicModel>()
  unsure = new Map<string, UnsureTopic>()
  /** Tables are topics of one log, whose values are texts of changes. */
  tables = new Map<string, TopicModel>()
  /** Tables of which it is not known whether they are there. */
  unsureTables = new Set<string>()
  /** Groups that were written and may not be durable yet. */
  groups: Group[] = []
  undecidedGroups: UndecidedGroup[] = []
  /** Positions of groups that the last recovery found as a whole, and of those it found nowhere. */
  foundCommits: GroupCommit[] = []
  missingCommits: GroupCommit[] = []
  deletedIds = new Set<string>()
  lastProducerId = -1
  /** Of the last store that opened. */
  leaderEpoch = 0
  stop: StopKind = 'either'
  /** Retention runs that were not answered: a log with a limit may start anywhere. */
  retentionRuns = 0
  /** Numbers the values, so that each is found only where it belongs. */
  valueCount = 0

  get isTruncating(): boolean {
    for (const { logs } of this.topics.values()) {
      if (logs.some((log) => log.isTruncating)) return true
    }
    return false
  }

  clone(): StoreModel {
    const copy = new StoreModel()
    for (const [name, topic] of this.topics) copy.topics.set(name, topic.clone())
    for (const [name, unsure] of this.unsure) copy.unsure.set(name, { ...unsure })
    for (const [name, table] of this.tables) copy.tables.set(name, table.clone())
    copy.unsureTables = new Set(this.unsureTables)
    copy.groups = [...this.groups]
    copy.undecidedGroups = [...this.undecidedGroups]
    copy.deletedIds = new Set(this.deletedIds)
    copy.lastProducerId = this.lastProducerId
    copy.leaderEpoch = this.leaderEpoch
    copy.stop = this.stop
    copy.valueCount = this.valueCount
    copy.retentionRuns = this.retentionRuns
    return copy
  }
}
