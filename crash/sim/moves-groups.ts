/** Moves with tables and atomic groups; as those of moves.ts. */
import { strict as assert } from 'node:assert'
import { ConflictError, LogError, StaleCommitError } from '../../src/base/errors.ts'
import type { DurabilityLevel } from '../../src/base/types.ts'
import type { Log } from '../../src/log/log.ts'
import type { AtomicAck } from '../../src/store/atomic-group.ts'
import type { Consumer } from '../../src/store/consumer.ts'
import type { BatchChange } from '../../src/table/table.ts'
import type { Life, TableTarget, Target } from './life.ts'
import { newCommitModel, TopicModel } from './model.ts'
import { contentAfter, type LogKey, type TableChange, textOfChange } from './model-groups.ts'
import { noteAccepted } from './moves.ts'
import {
  noticeGroup,
  type PendingCommit,
  PendingGroup,
  type PendingPart,
} from './pending-groups.ts'
import { tableSpec } from './shapes.ts'

/** Values are bounded by what is asked for: a table's segments take them all. */
const noBound = Number.MAX_SAFE_INTEGER

export async function createTable(life: Life, name: string): Promise<void> {
  const { model, store } = life
  life.trace.note(`create table ${name}`)
  model.unsureTables.add(name)
  const table = await life.during(store.table(name, tableSpec))
  const { id } = store.topic(name)!
  assert.ok(!model.deletedIds.has(id), `table ${name} has the id of a deleted topic`)
  const known = new TopicModel(id, 1, noBound)
  model.tables.set(name, known)
  model.unsureTables.delete(name)
  life.tables.set(name, { name, table, model: known.logs[0]! })
}

export async function deleteTable(life: Life, { name }: TableTarget): Promise<void> {
  const { model, store } = life
  life.trace.note(`delete table ${name}`)
  const { id } = model.tables.get(name)!
  model.unsureTables.add(name)
  life.tables.delete(name)
  await life.during(store.deleteTable(name))
  model.tables.delete(name)
  model.unsureTables.delete(name)
  model.deletedIds.add(id)
}

export type ChangeSome = {
  readonly changes: readonly TableChange[]
  /** What the key of the first change must hold; `value` undefined: nothing. */
  readonly expect?: { readonly value: string | undefined }
}

/** Changes a table, together. */
export async function change(
  life: Life,
  target: TableTarget,
  some: ChangeSome,
  level: DurabilityLevel,
): Promise<void> {
  const { table, model, name } = target
  const values = some.changes.map(textOfChange)
  const offset = table.log.endOffset
  life.trace.note(`change ${values.length} of table ${name} at ${offset}, ${level}`)
  const holds = isExpectationMet(target, some)
  const wasStopped = life.disk.hasStopped
  const acked = begin(target, some, level)
  // Awaited below; should a check before that throw, the rejection is nobody's.
  acked.catch(() => {})
  if (holds || wasStopped) noteAccepted(life, { log: table.log, model }, values, offset, wasStopped)
  else assert.equal(table.log.endOffset, offset, `table ${name} was changed in spite of a conflict`)
  try {
    const ack = await life.during(acked)
    assert.ok(holds, `table ${name} was changed against an expectation`)
    assert.deepEqual([ack.offset, ack.lastOffset], [offset, offset + values.length - 1])
    if (ack.level === 'disk') model.ackedAtDisk(ack.lastOffset + 1)
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error
    // What the machine stopped in is in the model, and not in the table.
    assert.ok(!holds || wasStopped, `table ${name} found a conflict where none is`)
  }
}

function begin({ table }: TableTarget, some: ChangeSome, level: DurabilityLevel) {
  const changes = batchOf(some)
  const [only] = some.changes
  if (changes.length > 1 || only === undefined) return table.batch(changes, { level })
  const options =
    some.expect === undefined ? { level } : { level, expect: some.expect.value as string }
  return only.value === undefined
    ? table.delete(only.key, options)
    : table.put(only.key, only.value, options)
}

function batchOf({ changes, expect }: ChangeSome): BatchChange<string, string>[] {
  return changes.map(({ key, value }, i) => {
    const expectation = i === 0 && expect !== undefined ? { expect: expect.value } : {}
    return value === undefined
      ? { key, delete: true, ...expectation }
      : { key, value, ...expectation }
  })
}

export function valueIn({ model }: TableTarget, key: string): string | undefined {
  return contentAfter(model.accepted).find(([one]) => one === key)?.[1]
}

function isExpectationMet(target: TableTarget, { changes, expect }: ChangeSome): boolean {
  return expect === undefined || valueIn(target, changes[0]!.key) === expect.value
}

export async function snapshot(life: Life, { name, table }: TableTarget): Promise<void> {
  life.trace.note(`snapshot of table ${name}`)
  await life.during(table.snapshot())
}

/** A table holds what the model says, in the middle of everything. */
export function readTable(life: Life, { name, table, model }: TableTarget): void {
  if (life.disk.hasStopped) return
  life.trace.note(`read table ${name}`)
  assert.deepEqual([...table], contentAfter(model.accepted), `content of table ${name}`)
}

export type GroupWork = {
  readonly appends: readonly {
    readonly target: Target
    readonly values: readonly string[]
    /** Where the log must end. */
    readonly expect?: number
  }[]
  readonly changes: readonly (ChangeSome & { readonly target: TableTarget })[]
  /** Who commits in which logs, and how far behind their ends. */
  readonly commits: readonly {
    readonly consumer: string
    readonly target: Target
    readonly behind: number
  }[]
  readonly level: DurabilityLevel
}

/** An atomic group over two or more logs and tables. Begins none that is like one on its way. */
export async function group(life: Life, work: GroupWork): Promise<void> {
  const committing = work.commits.length === 0 ? [] : await consumersOf(life, work)
  if (committing === undefined) return
  const parts = partsOf(life, work)
  const commits = committing.map((one) => pendingCommit(life, one))
  const pending = new PendingGroup(parts, commits)
  for (const other of life.groups) if (!other.isWritten && other.isLike(pending)) return
  const names = parts.map(({ log, values }) => `${values.length} to ${log.name}`)
  const positions = commits.map(({ consumer, topic, index, offset }) => {
    return ` and ${offset} of ${topic}-${index} for ${consumer}`
  })
  life.trace.note(`group of ${names.join(', ')}${positions.join('')}, ${work.level}`)
  life.groups.add(pending)
  const listening = parts.map(({ log }) => log.onAppend(() => noticeGroup(life)))
  const truncations = parts.map(({ model }) => model.truncations)
  const wasMet = parts.every(({ expect }) => expect())
  const lengths = parts.map(({ model }) => model.accepted.length)
  try {
    const ack = await life.during(begun(life, work, committing, commits))
    assert.ok(pending.isWritten, 'an atomic group was acknowledged, and never seen as a whole')
    checkPlaces(work, pending, ack)
    life.groups.delete(pending)
    if (ack.level !== 'disk') return
    parts.forEach(({ model, values }, i) => {
      if (model.truncations === truncations[i]) model.ackedAtDisk(pending.bases[i]! + values.length)
    })
    for (const { model, consumer, offset, ...was } of commits) {
      if (model.truncations !== was.truncations) continue
      const known = model.commits.get(consumer)!
      known.disk = Math.max(known.disk, offset)
      model.ackedAtDisk(offset)
    }
  } catch (error) {
    settleRefused(life, pending, error)
    // Another handle went further while the group waited for the journal.
    if (error instanceof StaleCommitError && commits.length > 0 && !pending.isWritten) return
    if (!(error instanceof ConflictError)) throw error
    assert.ok(!pending.isWritten, 'a group was made in spite of a conflict')
    const haveChanged = parts.some(({ model }, i) => {
      return model.accepted.length !== lengths[i] || model.truncations !== truncations[i]
    })
    const isInputCut = commits.some(({ model, ...was }) => model.truncations !== was.truncations)
    // What the machine stopped in is in the model, and not in the log.
    const isMistaken = wasMet && !haveChanged && !isInputCut && !life.disk.hasStopped
    assert.ok(!isMistaken, `a group found a conflict where none is: ${error.message}`)
  } finally {
    for (const stop of listening) stop()
  }
}

function partsOf(life: Life, { appends, changes }: GroupWork): PendingPart[] {
  const { model: store } = life
  return [
    ...appends.map(({ target: { log, model }, values, expect }) => {
      const isMet = () => expect === undefined || model.accepted.length === expect
      return { ...keyOf(life, log), log, model, values, expect: isMet }
    }),
    ...changes.map(({ target, ...some }) => {
      const { name, table, model } = target
      const { id } = store.tables.get(name)!
      const values = some.changes.map(textOfChange)
      const expect = () => isExpectationMet(target, some)
      return { topic: name, id, index: 0, log: table.log, model, values, expect }
    }),
  ]
}

type Committing = { readonly consumer: Consumer; readonly target: Target; readonly behind: number }

/** Undefined when a log was closed meanwhile, or what the group works on. */
async function consumersOf(life: Life, work: GroupWork): Promise<Committing[] | undefined> {
  const found: Committing[] = []
  for (const { consumer: name, target, behind } of work.commits) {
    const consumer = await life.during(life.store.consumer(name, target.log))
    found.push({ consumer, target, behind })
  }
  const logs = [
    ...work.appends.map(({ target }) => target.log),
    ...work.changes.map(({ target }) => target.table.log),
    ...work.commits.map(({ target }) => target.log),
  ]
  return logs.every((log) => log.state === 'open') ? found : undefined
}

function pendingCommit(life: Life, { consumer, target, behind }: Committing): PendingCommit {
  const { log, model } = target
  const least = Math.max(consumer.committed ?? 0, log.startOffset)
  const offset = Math.max(least, log.endOffset - behind)
  const known = model.commits.get(consumer.name) ?? newCommitModel()
  model.commits.set(consumer.name, known)
  known.most = Math.max(known.most, offset)
  known.asked.add(offset)
  const { truncations } = model
  return { ...keyOf(life, log), model, consumer: consumer.name, offset, truncations }
}

function keyOf({ model }: Life, log: Log): LogKey {
  const at = log.name.lastIndexOf('-')
  const topic = log.name.slice(0, at)
  return { topic, id: model.topics.get(topic)!.id, index: Number(log.name.slice(at + 1)) }
}

function begun(
  { store, clock }: Life,
  { appends, changes, level }: GroupWork,
  committing: readonly Committing[],
  commits: readonly PendingCommit[],
): Promise<AtomicAck> {
  const timestamp = clock.now()
  return store.atomic(
    (tx) => {
      for (const { target, values, expect } of appends) {
        const records = values.map((value) => ({ value, timestamp }))
        tx.append(target.log, records, expect === undefined ? {} : { expect })
      }
      for (const { target, ...some } of changes) {
        for (const { key, ...how } of batchOf(some)) {
          const options = 'expect' in how ? { expect: how.expect } : {}
          if ('value' in how) tx.put(target.table, key, how.value, options)
          else tx.delete(target.table, key, options)
        }
      }
      for (const [i, { consumer }] of committing.entries()) {
        tx.commitPosition(consumer, commits[i]!.offset)
      }
    },
    { level },
  )
}

function checkPlaces({ appends }: GroupWork, { bases }: PendingGroup, ack: AtomicAck): void {
  const found = ack.appends.map(({ offset, lastOffset }) => [offset, lastOffset])
  const expected = appends.map(({ values }, i) => [bases[i]!, bases[i]! + values.length - 1])
  assert.deepEqual(found, expected, 'where the records of a group are')
}

/** An error with a code says that nothing was written, unless a log failed on the way. */
function settleRefused(life: Life, pending: PendingGroup, error: unknown): void {
  if (life.isOver || life.disk.hasStopped || !(error instanceof LogError)) return
  if (pending.isWritten) {
    life.groups.delete(pending)
    return
  }
  const hasFailed = pending.parts.some(({ log }) => log.failure !== undefined)
  if (!hasFailed) life.groups.delete(pending)
}
