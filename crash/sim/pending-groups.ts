/**
 * Groups on their way. A group may wait for the journal before it is written, so its call does not
 * tell what it found. What tells is that all its logs have grown by its records when the first of
 * them says so: a group is written in one turn, and nobody sees a part of it.
 */
import { strict as assert } from 'node:assert'
import type { Log } from '../../src/log/log.ts'
import type { Life } from './life.ts'
import type { LogModel } from './model.ts'
import type { GroupCommit, LogKey } from './model-groups.ts'

/** What a group adds to one log or table. */
export type PendingPart = LogKey & {
  readonly log: Log
  readonly model: LogModel
  readonly values: readonly string[]
  /** Where the log must end, and what keys of the table must hold, when the group is written. */
  readonly expect: () => boolean
}

/** What a group commits for a consumer. */
export type PendingCommit = GroupCommit & { readonly model: LogModel }

export class PendingGroup {
  readonly parts: readonly PendingPart[]
  readonly commits: readonly PendingCommit[]
  /** Where each part begins, once it is seen. */
  bases: readonly number[] = []

  constructor(parts: readonly PendingPart[], commits: readonly PendingCommit[]) {
    this.parts = parts
    this.commits = commits
  }

  get isWritten(): boolean {
    return this.bases.length > 0
  }

  /** It and `other` would be seen as the same. */
  isLike(other: PendingGroup): boolean {
    return (
      this.parts.length === other.parts.length &&
      this.parts.every(({ log, values }) => {
        return other.parts.some((one) => one.log === log && one.values.length === values.length)
      })
    )
  }

  /** All of its logs have grown by what it adds. */
  get isSeen(): boolean {
    return this.parts.every(({ log, model, values }) => {
      return log.endOffset === model.accepted.length + values.length
    })
  }

  /** The model learns that the group is in the kernel. */
  written(life: Life): void {
    for (const part of this.parts) {
      assert.ok(part.expect(), `${part.log.name}: an atomic group against its expectation`)
    }
    this.bases = this.parts.map(({ model }) => model.accepted.length)
    for (const { log, model, values } of this.parts) {
      model.accept(values)
      model.osEnd = log.endOffset
    }
    life.model.groups.push({
      parts: this.parts.map(({ topic, id, index, log }) => {
        return { topic, id, index, end: log.endOffset }
      }),
      commits: this.commits,
    })
    for (const { model, consumer, offset } of this.commits) {
      const known = model.commits.get(consumer)!
      known.os = Math.max(known.os, offset)
    }
  }
}

/** Called in the turn in which a log grew: which group was that, if it was one? */
export function noticeGroup(life: Life): void {
  let seen: PendingGroup | undefined
  for (const group of life.groups) {
    // That of the most logs, because it leaves none of them unexplained.
    if (group.isWritten || !group.isSeen) continue
    if (seen === undefined || group.parts.length > seen.parts.length) seen = group
  }
  seen?.written(life)
}

/** Whether what `log` holds is open, because a group could be neither written nor taken back. */
export function isInOpenGroup(life: Life, log: Log): boolean {
  if (log.state !== 'failed') return false
  for (const group of life.groups) {
    if (!group.isWritten && group.parts.some((part) => part.log === log)) return true
  }
  return false
}
