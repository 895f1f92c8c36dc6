/**
 * Moves: what can be done to a store, each with what the model learns from it, when. Nothing here is
 * random: actions choose the arguments by chance, the script of the exhaustive search by hand.
 */
import { strict as assert } from 'node:assert'
import type { AppendOptions } from '../../src/log/log-options.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { assertIndexesEqualScan, denseValues } from './inspect.ts'
import type { Life, Target } from './life.ts'
import { newCommitModel, type SentBatch, TopicModel } from './model.ts'
import { severGroups } from './model-groups.ts'
import { isInOpenGroup } from './pending-groups.ts'
import { maxValueBytesOf } from './shapes.ts'

export async function createTopic(
  life: Life,
  name: string,
  partitions: number,
  config: Readonly<Record<string, string>>,
): Promise<void> {
  const { model, store } = life
  life.trace.note(`create ${name} with ${partitions} partitions`)
  const unsure = { partitions, maxValueBytes: maxValueBytesOf(config), isSettled: false }
  model.unsure.set(name, unsure)
  const topic = await life.during(store.createTopic(name, { partitions, config }))
  assert.ok(!model.deletedIds.has(topic.id), `topic ${name} has the id of a deleted one`)
  model.topics.set(name, new TopicModel(topic.id, partitions, unsure.maxValueBytes))
  model.unsure.delete(name)
  for (let index = 0; index < partitions; index++) topic.log(index)
}

export async function deleteTopic(life: Life, name: string): Promise<void> {
  const { model, store } = life
  const topic = model.topics.get(name)!
  life.trace.note(`delete ${name}`)
  const { maxValueBytes, logs } = topic
  model.unsure.set(name, { partitions: logs.length, maxValueBytes, isSettled: false })
  await life.during(store.deleteTopic(name))
  model.topics.delete(name)
  model.unsure.delete(name)
  model.deletedIds.add(topic.id)
}

export async function addPartitions(life: Life, name: string, total: number): Promise<void> {
  const topic = life.model.topics.get(name)!
  if (topic.growingTo !== undefined) return
  life.trace.note(`grow ${name} to ${total} partitions`)
  topic.growingTo = total
  await life.during(life.store.addPartitions(name, total))
  topic.grow(total)
  for (let index = 0; index < total; index++) life.store.topic(name)?.log(index)
}

export async function allocateProducerId(life: Life): Promise<void> {
  const { model } = life
  const id = await life.during(life.store.allocateProducerId())
  assert.ok(id > model.lastProducerId, `producer id ${id} after ${model.lastProducerId}`)
  model.lastProducerId = id
}

/** Appends one batch. What the call itself wrote is at `os`; `disk` is what is waited for. */
export async function append(
  life: Life,
  { log, model }: Target,
  values: readonly string[],
  options: AppendOptions & { readonly timestamp?: number } = {},
): Promise<void> {
  const { timestamp = life.clock.now(), ...rest } = options
  const { level = 'disk' } = options
  const offset = log.endOffset
  life.trace.note(`append ${values.length} to ${log.name} at ${offset}, ${level}`)
  const wasStopped = life.disk.hasStopped
  const wasFailed = log.state === 'failed'
  const records = values.map((value) => ({ value, timestamp }))
  const acked = log.append(records, rest)
  // Awaited below; should a check before that throw, the rejection is nobody's.
  acked.catch(() => {})
  noteAccepted(life, { log, model }, values, offset, wasStopped)
  if (wasFailed) assert.equal(log.endOffset, offset, `${log.name} has failed and takes records`)
  const { truncations } = model
  const ack = await life.during(acked)
  assert.deepEqual([ack.offset, ack.lastOffset], [offset, offset + values.length - 1])
  if (ack.level === 'disk' && truncations === model.truncations) {
    model.ackedAtDisk(ack.lastOffset + 1)
  }
}

/** Several appends for the disk in one turn, which go to the kernel together. */
export async function appendBurst(
  life: Life,
  target: Target,
  batches: readonly (readonly string[])[],
): Promise<void> {
  const { log, model } = target
  const offset = log.endOffset
  life.trace.note(`${batches.length} appends at once to ${log.name} at ${offset}`)
  const wasStopped = life.disk.hasStopped
  const timestamp = life.clock.now()
  const acks = batches.map((values) => {
    return log.append(
      values.map((value) => ({ value, timestamp })),
      { level: 'disk' },
    )
  })
  for (const ack of acks) ack.catch(() => {})
  // Whoever looks at the log sees them all: those that are there, or that nobody was told about.
  const end = log.endOffset
  const places = placesOf(life, target, batches, offset)
  const unsure = life.disk.hasStopped && !wasStopped
  for (const [i, values] of batches.entries()) {
    if (places[i] !== undefined || unsure) model.accept(values)
  }
  model.osEnd = end
  const { truncations } = model
  const answers = await life.during(Promise.allSettled(acks))
  let refusal: unknown
  for (const [i, answer] of answers.entries()) {
    const place = places[i]
    if (answer.status === 'rejected') {
      refusal ??= answer.reason
      const isOver = life.disk.hasStopped || truncations !== model.truncations
      if (place === undefined || isOver) continue
      // It is there, and cannot be made durable.
      assert.notEqual(log.state, 'open', `${log.name} has at ${place} what it refused`)
      continue
    }
    const { offset: found, lastOffset } = answer.value
    assert.deepEqual([found, lastOffset], [place, place! + batches[i]!.length - 1])
    if (truncations === model.truncations) model.ackedAtDisk(lastOffset + 1)
  }
  if (refusal !== undefined) throw refusal
}

/** Where each batch stands: a full disk takes some and refuses others. */
function placesOf(
  life: Life,
  { log }: Target,
  batches: readonly (readonly string[])[],
  offset: number,
): (number | undefined)[] {
  const found = life.wasFull ? valuesFrom(log, offset) : batches.flat()
  const ends = Math.min(log.endOffset - offset, found.length)
  let next = 0
  return batches.map((values) => {
    const isThere = values.every((value, i) => found[next + i] === value)
    if (!isThere || next + values.length > ends) return undefined
    next += values.length
    return offset + next - values.length
  })
}

function valuesFrom(log: Target['log'], offset: number): string[] {
  return log.state === 'closed' ? [] : denseValues(log).slice(offset - log.startOffset)
}

/** Nothing yields between a call and the write: the log end tells what was accepted. */
export function noteAccepted(
  life: Life,
  { log, model }: Pick<Target, 'log' | 'model'>,
  values: readonly string[],
  offset: number,
  wasStopped: boolean,
): void {
  if (log.endOffset > offset) {
    assert.equal(log.endOffset, offset + values.length, `end of ${log.name} after an append`)
    assert.equal(offset, model.accepted.length, `${log.name} begins a batch at its end`)
    model.accept(values)
    model.osEnd = log.endOffset
  } else if (life.disk.hasStopped && !wasStopped) {
    // The machine stopped in this call: the batch may be there, and nobody was told.
    model.accept(values)
  }
}

export async function flush(life: Life, { log, model }: Target): Promise<void> {
  const { endOffset } = log
  const { truncations } = model
  life.trace.note(`flush ${log.name} up to ${endOffset}`)
  await life.during(log.flush())
  if (truncations === model.truncations) model.ackedAtDisk(endOffset)
}

export async function flushStore(life: Life): Promise<void> {
  const flushed = life.allLogs().filter(({ log }) => log.state === 'open')
  const ends = flushed.map(({ log, model }) => ({ end: log.endOffset, was: model.truncations }))
  life.trace.note('flush all')
  await life.during(life.store.flush())
  flushed.forEach(({ model }, i) => {
    const { end, was } = ends[i]!
    if (was === model.truncations) model.ackedAtDisk(end)
  })
}

export function roll(life: Life, { log }: Target): void {
  life.trace.note(`roll ${log.name} at ${log.endOffset}`)
  log.roll()
}

export function trim(life: Life, { log, model }: Target, to: number): void {
  life.trace.note(`trim ${log.name} to ${to}`)
  model.maxStart = Math.max(model.maxStart, to)
  model.trimmedTo = Math.max(model.trimmedTo, to)
  log.trim(to)
  // No offset below the start is ever given out again, and the start is durable.
  model.ackedAtDisk(to)
  model.minStart = Math.max(model.minStart, to)
}

export function truncate(life: Life, { log, model }: Target, to: number): void {
  life.trace.note(`truncate ${log.name} to ${to}`)
  const border = model.borderAtOrBelow(to)
  model.truncations++
  model.forgetGroups(border)
  model.diskEnd = Math.min(model.diskEnd, border)
  model.osEnd = Math.min(model.osEnd, border)
  model.minStart = Math.min(model.minStart, border)
  severGroups(life.model, model, border)
  model.cutCommits(border)
  model.isTruncating = true
  log.truncate(to)
  model.isTruncating = false
  model.cut(border)
  assert.equal(log.endOffset, border, `end of ${log.name} after truncate(${to})`)
}

/**
 * A retention run. While it is not answered a log with a limit may start anywhere; then its start is
 * durable, and it has not lost more than its limit lets go. Topics that are being deleted take part
 * as long as they are there.
 */
export async function enforceRetention(life: Life): Promise<void> {
  const { model, store } = life
  const before = new Map(life.targets().map(({ log }) => [log, log.sizeBytes]))
  life.trace.note('enforce retention')
  model.retentionRuns++
  await life.during(store.enforceRetention())
  model.retentionRuns--
  for (const [name, topic] of model.topics) {
    const limitBytes = store.topic(name)?.config.settings.retention.maxBytes ?? Infinity
    if (limitBytes === Infinity) continue
    topic.logs.forEach((known, index) => {
      const log = store.topic(name)!.openLog(index)
      if (log === undefined) return
      const leastBytes = Math.min(before.get(log) ?? 0, limitBytes)
      noteRetained(life, { log, model: known }, leastBytes)
    })
  }
}

function noteRetained(life: Life, { log, model }: Target, leastBytes: number): void {
  const { startOffset, sizeBytes } = log
  // By somebody else, or in an earlier run.
  const isShortened = model.truncations > 0 || startOffset <= model.trimmedTo
  model.mayStartBefore(startOffset)
  // A trim that failed before has moved the start in memory alone, and so has the next run, which may
  // have begun before the end of this one was told; a deleted topic has none.
  const isOther = life.hasFaults || life.model.retentionRuns > 0
  if (isOther || life.disk.hasStopped || log.state !== 'open') return
  model.minStart = Math.max(model.minStart, startOffset)
  model.ackedAtDisk(startOffset)
  if (isShortened || sizeBytes >= leastBytes) return
  assert.fail(`${log.name} has ${sizeBytes} bytes of ${leastBytes} that it should keep`)
}

/** Commits `behind` offsets before the log end, or what is committed if that is more. */
export async function commit(
  life: Life,
  { log, model }: Target,
  name: string,
  behind: number,
  level: 'os' | 'disk',
): Promise<void> {
  const consumer = await life.during(life.store.consumer(name, log))
  const { committed = 0 } = consumer
  const least = Math.max(committed, log.startOffset)
  const offset = Math.max(least, log.endOffset - behind)
  life.trace.note(`commit ${offset} of ${log.name} for ${name}, ${level}`)
  const known = model.commits.get(name) ?? newCommitModel()
  model.commits.set(name, known)
  known.singles.add(offset)
  const most = known.most
  known.most = Math.max(known.most, offset)
  const { truncations } = model
  const wasStopped = life.disk.hasStopped
  const { table } = consumer.encodeCommit(offset)
  const { endOffset } = table.log
  const made = consumer.commit(offset, { level })
  // Awaited below.
  made.catch(() => {})
  if (table.log.endOffset > endOffset) known.os = offset
  else if (wasStopped) known.most = most
  await life.during(made)
  // A truncation takes it back, and the end of its topic ends it.
  if (truncations !== model.truncations || log.state === 'closed') return
  assert.ok((consumer.committed ?? 0) >= offset, `${name} of ${log.name} has gone back`)
  if (level === 'disk') {
    known.disk = Math.max(known.disk, offset)
    model.ackedAtDisk(offset)
  }
}

/** One batch of an idempotent producer, acknowledged at `disk`. */
export async function produce(
  life: Life,
  target: Target,
  producerId: number,
  values: readonly string[],
): Promise<void> {
  const { log, model } = target
  const producer = model.producer(producerId)
  const baseSequence = producer.nextSequence
  const offset = log.endOffset
  life.trace.note(`produce ${values.length} to ${log.name} at ${offset} by ${producerId}`)
  const bytes = clientBatch(values, life.clock.now(), { producerId, baseSequence })
  const wasStopped = life.disk.hasStopped
  try {
    const appended = sendBatch(target, bytes)
    assert.equal(appended.isDuplicate, false, `${log.name}: a new batch is no duplicate`)
  } finally {
    const before = model.accepted.length
    noteAccepted(life, target, values, offset, wasStopped)
    const recordCount = values.length
    if (model.accepted.length > before) producer.note({ bytes, offset, recordCount, baseSequence })
  }
  const end = offset + values.length
  await life.during(log.reached('disk', end))
  model.ackedAtDisk(end)
}

/** Sends a batch again that the log has. */
export function resend(life: Life, target: Target, batch: SentBatch): void {
  life.trace.note(`send ${batch.offset} of ${target.log.name} again`)
  const answer = sendBatch(target, batch.bytes)
  assert.equal(answer.isDuplicate, true, `${target.log.name}: ${batch.offset} is stored twice`)
  assert.equal(answer.baseOffset, batch.offset)
}

export function sendBatch({ log }: { log: Target['log'] }, bytes: Buffer) {
  const copy = Buffer.from(bytes)
  return log.appendBatch(copy, 0, copy.length, { allowZstd: true })
}

function clientBatch(
  values: readonly string[],
  timestamp: number,
  producer: { readonly producerId: number; readonly baseSequence: number },
): Buffer {
  const builder = new BatchBuilder({ codec: 'none' })
  for (const value of values) builder.add({ value, timestamp }, 0)
  builder.setProducer({ ...producer, producerEpoch: 0 })
  return Buffer.from(builder.finish())
}

/** A log reads as the model says, in the middle of everything. */
export function readAll(life: Life, { log, model }: Target): void {
  if (life.disk.hasStopped || isInOpenGroup(life, log)) return
  life.trace.note(`read ${log.name}`)
  const values = denseValues(log)
  // A truncation that failed half-way has cut the log, and said only that it failed.
  const end = log.state === 'failed' ? log.endOffset : model.accepted.length
  assert.deepEqual(values, model.accepted.slice(log.startOffset, end), `records of ${log.name}`)
  assertIndexesEqualScan(log, model.trimmedTo)
}

/** Closes the store. From the call on nothing else may be done with it. */
export async function close(life: Life): Promise<void> {
  const { model, store } = life
  life.trace.note('close')
  model.stop = 'either'
  // Deleting while closing is no clean stop.
  const isQuiet = model.unsure.size === 0 && model.unsureTables.size === 0
  await life.during(store.close())
  for (const { log, model: known } of life.allLogs()) {
    if (log.failure !== undefined) continue
    known.diskEnd = known.osEnd = known.accepted.length
    known.minStart = known.maxStart = log.startOffset
  }
  if (!life.hasFaults && isQuiet) model.stop = 'clean'
}
