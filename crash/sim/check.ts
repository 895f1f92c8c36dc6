/**
 * What is checked after every recovery: everything acknowledged at `disk` is there (after the death
 * of the process alone, everything written is); every log is a prefix of what was accepted and ends
 * between two batches; offsets are dense; index equals scan; a batch sent again is no duplicate.
 *
 * A check leaves the model as narrow as what was found: that is what the store has shown.
 */
import { strict as assert } from 'node:assert'
import { LogError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import type { Store } from '../../src/store/store.ts'
import { isInternalTopic } from '../../src/store/store-layout.ts'
import { checkGroupCommits, checkGroups, settleGroups } from './check-groups.ts'
import { changeAt, settleTables, tableLog } from './check-tables.ts'
import { assertIndexesEqualScan, denseValues, type TextOf } from './inspect.ts'
import { type LogModel, type StoreModel, TopicModel } from './model.ts'
import { sendBatch } from './moves.ts'

/** What was lost before the recovery: the process alone, or all that was not durable. */
export type Loss = 'process' | 'power'

/** Bounds of every log, to be compared with those of the next recovery. */
export type FoundBounds = ReadonlyMap<string, { readonly start: number; readonly end: number }>

export function checkStore(store: Store, model: StoreModel, loss: Loss): FoundBounds {
  checkStop(store, model)
  for (const [name, unsure] of [...model.unsure]) {
    settle(store, model, name, unsure)
  }
  settleTables(store, model)
  settleGroups(store, model)
  for (const { name, table } of store.topics()) {
    if (isInternalTopic(name)) continue
    const known = table === undefined ? model.topics : model.tables
    assert.ok(known.has(name), `topic ${name} was never created, or is deleted`)
  }
  const found = new Map<string, { start: number; end: number }>()
  for (const [name, topic] of model.topics) {
    checkTopic(store, name, topic)
    const { maxBytes } = store.topic(name)!.config.settings.retention
    topic.logs.forEach((log, index) => {
      const opened = store.topic(name)!.log(index)
      if (model.retentionRuns > 0 && maxBytes < Infinity) log.mayStartBefore(opened.endOffset)
      checkLog(opened, log, loss)
      found.set(opened.name, { start: opened.startOffset, end: opened.endOffset })
    })
  }
  for (const [name, table] of model.tables) {
    const log = tableLog(store, name, table)
    checkLog(log, table.logs[0]!, loss, changeAt)
    found.set(log.name, { start: 0, end: log.endOffset })
  }
  checkGroups(store, model)
  model.retentionRuns = 0
  return found
}

function checkStop(store: Store, model: StoreModel): void {
  if (model.stop !== 'either') assert.equal(store.wasClean, model.stop === 'clean', 'clean stop')
  // The very first open finds nothing, and begins with epoch 0.
  const isFresh = store.leaderEpoch === 0 && model.topics.size === 0
  const least = model.leaderEpoch + (store.wasClean || isFresh ? 0 : 1)
  assert.ok(store.leaderEpoch >= least, `leader epoch ${store.leaderEpoch} is below ${least}`)
  model.leaderEpoch = store.leaderEpoch
  model.stop = 'unclean'
}

function settle(
  store: Store,
  model: StoreModel,
  name: string,
  unsure: { readonly partitions: number; readonly maxValueBytes: number },
): void {
  model.unsure.delete(name)
  const topic = store.topic(name)
  const known = model.topics.get(name)
  if (topic === undefined) {
    model.topics.delete(name)
    if (known !== undefined) model.deletedIds.add(known.id)
  } else if (known === undefined) {
    assert.ok(!model.deletedIds.has(topic.id), `topic ${name} is deleted and there again`)
    model.topics.set(name, new TopicModel(topic.id, unsure.partitions, unsure.maxValueBytes))
  }
}

function checkTopic(store: Store, name: string, model: TopicModel): void {
  const topic = store.topic(name)
  assert.equal(topic?.id, model.id, `id of topic ${name}`)
  if (topic?.partitionCount === model.growingTo) model.grow(model.growingTo!)
  assert.equal(topic?.partitionCount, model.logs.length, `partitions of topic ${name}`)
  model.growingTo = undefined
}

function checkLog(log: Log, model: LogModel, loss: Loss, textOf?: TextOf): void {
  const { startOffset, endOffset, name } = log
  const { accepted, borders } = model
  const least = loss === 'process' ? model.osEnd : model.diskEnd
  const shape = `${name} is [${startOffset}, ${endOffset}) of ${accepted.length}`
  if (endOffset < least) assert.fail(`${shape}, but ${least} was acknowledged`)
  if (endOffset > accepted.length) assert.fail(`${shape}, which is more than was accepted`)
  // A log that lost all but its trimmed start begins again there, in the middle of a batch or not.
  if (startOffset === endOffset) borders.add(endOffset)
  if (!borders.has(endOffset)) assert.fail(`${shape} and ends within a batch`)
  if (startOffset < Math.min(model.minStart, endOffset) || startOffset > model.maxStart) {
    assert.fail(`${shape}, its start should be in [${model.minStart}, ${model.maxStart}]`)
  }
  const values = denseValues(log, textOf)
  const wrong = values.findIndex((value, i) => value !== accepted[startOffset + i])
  if (wrong >= 0) assert.fail(`${shape}: record ${startOffset + wrong} is not what was accepted`)
  assertIndexesEqualScan(log, model.trimmedTo)
  const { diskEnd } = model
  model.cut(endOffset)
  model.osEnd = endOffset
  // After a power cut everything there is is on stable storage.
  model.diskEnd = loss === 'power' ? endOffset : Math.min(diskEnd, endOffset)
  model.minStart = loss === 'power' ? startOffset : Math.min(model.minStart, startOffset)
  model.maxStart = startOffset
  model.isTruncating = false
  for (const producer of model.producers.values()) producer.cut(endOffset)
}

/**
 * What consumers committed: no less than was acknowledged, no more than was asked for, and inside the
 * log. After `checkStore`, which says what is left of the logs.
 */
export async function checkCommits(store: Store, model: StoreModel, loss: Loss): Promise<void> {
  const reports = await store.consumers()
  for (const [name, topic] of model.topics) {
    topic.logs.forEach((known, index) => {
      for (const [consumer, commit] of known.commits) {
        const logName = `${name}-${index}`
        const report = reports.find((one) => one.name === consumer && one.log === logName)
        const committed = report?.committed ?? 0
        const shape = `${consumer} has committed ${committed} of ${logName}`
        const least = loss === 'process' ? commit.os : commit.disk
        if (committed < least) assert.fail(`${shape}, but ${least} was acknowledged`)
        const { startOffset, endOffset } = store.topic(name)!.log(index)
        // Where a log was cut is forgotten when it is trimmed beyond that: then nothing is left to tell.
        commit.most = Math.max(commit.most, Math.min(startOffset, committed))
        if (committed > commit.most) assert.fail(`${shape}, and never more than ${commit.most}`)
        if (committed > endOffset) assert.fail(`${shape}, which ends at ${endOffset}`)
        const log = { topic: name, id: topic.id, index, endOffset }
        checkGroupCommits(model, log, { consumer, committed, least })
        commit.os = committed
        commit.disk = loss === 'power' ? committed : Math.min(commit.disk, committed)
      }
    })
  }
}

/** Recovering twice is as recovering once. */
export function checkSameBounds(first: FoundBounds, second: FoundBounds): void {
  assert.deepEqual([...second], [...first], 'bounds of the logs, recovered twice and once')
}

/**
 * Every batch that producers may send again is sent again: what is there is not stored twice, what
 * was lost is appended. Changes the store.
 */
export function checkRetries(store: Store, model: StoreModel): void {
  for (const [name, topic] of model.topics) {
    topic.logs.forEach((known, index) => {
      if (known.producers.size > 0) retryAll(store.topic(name)!.log(index), known)
    })
  }
}

function retryAll(log: Log, model: LogModel): void {
  // A restart remembers more than the last batch of a producer as far as the last two segments go.
  const [, previous] = [...log.segments].reverse()
  const rememberedFrom = previous?.baseOffset ?? log.startOffset
  for (const producer of model.producers.values()) {
    for (const batch of producer.sent) {
      const mayBeForgotten = batch !== producer.sent.at(-1) && batch.offset < rememberedFrom
      if (batch.offset < log.startOffset || mayBeForgotten) continue
      const answer = sendBatch({ log }, batch.bytes)
      assert.ok(answer.isDuplicate, `${log.name}: batch ${batch.offset} is stored twice`)
      assert.equal(answer.baseOffset, batch.offset, `${log.name}: where a duplicate is`)
    }
    for (const { bytes, offset } of producer.lost) {
      const answer = sendBatch({ log }, bytes)
      assert.ok(!answer.isDuplicate, `${log.name}: lost batch ${offset} is called a duplicate`)
    }
  }
}

/**
 * After damage to a stored byte: what is served is what was accepted, in its place, up to an error
 * with a code; nothing in between is left out, and what is cut is told to the operator.
 */
export function checkDamaged(store: Store, model: StoreModel, warnings: readonly string[]): void {
  for (const [name, topic] of model.topics) {
    topic.logs.forEach((known, index) => {
      try {
        checkDamagedLog(store.topic(name)!.log(index), known, warnings)
      } catch (error) {
        if (!(error instanceof LogError)) throw error
      }
    })
  }
}

function checkDamagedLog(log: Log, model: LogModel, warnings: readonly string[]): void {
  const cursor = log.cursor()
  let expected: number = log.startOffset
  while (cursor.next()) {
    const value = cursor.source.toString('latin1', cursor.valueStart, cursor.valueEnd)
    assert.equal(cursor.offset, expected, `${log.name} leaves out records behind the damage`)
    assert.equal(value, model.accepted[expected], `${log.name} serves damage as record ${expected}`)
    expected++
  }
  assert.equal(expected, log.endOffset, `${log.name}: records behind the damage`)
  if (expected < model.diskEnd) {
    assert.ok(warnings.length > 0, `${log.name} lost records silently`)
  }
}
