/** What a random history does with tables and atomic groups. */
import type { DurabilityLevel } from '../../src/base/types.ts'
import type { Life, TableTarget, Target } from './life.ts'
import type { TableChange } from './model-groups.ts'
import {
  type ChangeSome,
  change,
  createTable,
  deleteTable,
  type GroupWork,
  group,
  readTable,
  snapshot,
  valueIn,
} from './moves-groups.ts'
import { producerTopic } from './shapes.ts'

const keyCount = 6

/** An action of tables or groups, as those of actions.ts. */
export const groupActions = [
  { name: 'change a table', weight: 8, run: changeSome },
  { name: 'snapshot of a table', weight: 2, run: (life: Life) => onTable(life, snapshotOf(life)) },
  { name: 'read a table', weight: 2, run: (life: Life) => onTable(life, readOf(life)) },
  { name: 'create a table', weight: 3, run: createSome },
  { name: 'delete a table', weight: 1, run: (life: Life) => onTable(life, deleteOf(life)) },
  { name: 'group', weight: 22, run: groupSome },
  { name: 'groups at once', weight: 3, run: groupsAtOnce },
] as const

const snapshotOf = (life: Life) => (target: TableTarget) => snapshot(life, target)
const readOf = (life: Life) => (target: TableTarget) => readTable(life, target)
const deleteOf = (life: Life) => (target: TableTarget) => deleteTable(life, target)

function onTable<T>(life: Life, move: (target: TableTarget) => T): T | undefined {
  const targets = tablesOf(life)
  return targets.length === 0 ? undefined : move(life.random.pick(targets))
}

function tablesOf(life: Life): TableTarget[] {
  return [...life.tables.values()].filter(({ table }) => table.log.state !== 'closed')
}

function createSome(life: Life): Promise<void> | void {
  const { model, random, shape } = life
  const absent = shape.tables.filter((name) => {
    return !model.tables.has(name) && !model.unsureTables.has(name)
  })
  if (absent.length > 0) return createTable(life, random.pick(absent))
}

function someChanges(life: Life, target: TableTarget, paddingBytes: number): ChangeSome {
  const { random, model } = life
  const changes = Array.from({ length: 1 + random.below(3) }, (): TableChange => {
    const key = `k${random.below(keyCount)}`
    if (random.chance(0.25)) return { key, value: undefined }
    return { key, value: `${model.valueCount++}-${'x'.repeat(random.below(paddingBytes))}` }
  })
  if (random.chance(0.7)) return { changes }
  // Mostly what is there, else something that is not.
  const value = random.chance(0.8) ? valueIn(target, changes[0]!.key) : 'other'
  return { changes, expect: { value } }
}

function someLevel(life: Life): DurabilityLevel {
  return life.random.pick(['os', 'disk', 'disk', 'memory'])
}

function changeSome(life: Life): Promise<void> | void {
  return onTable(life, (target) => {
    return change(life, target, someChanges(life, target, 120), someLevel(life))
  })
}

function groupSome(life: Life): Promise<void> | void {
  const work = someWork(life)
  if (work !== undefined) return group(life, work)
}

/** Groups that begin in one turn, some of them over the same logs. */
async function groupsAtOnce(life: Life): Promise<void> {
  const started: Promise<void>[] = []
  for (let i = 2 + life.random.below(2); i > 0; i--) {
    const work = someWork(life)
    if (work !== undefined) started.push(group(life, work))
  }
  const outcomes = await Promise.allSettled(started)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** Over two or more logs and tables; undefined when there are not as many. */
function someWork(life: Life): GroupWork | undefined {
  const { random, shape } = life
  if (shape.options.journalBytes === 0) return undefined
  const logs = life.targets().filter(({ log }) => {
    return log.state === 'open' && !log.name.startsWith(producerTopic)
  })
  const tables = tablesOf(life)
  const logCount = random.chance(0.8) ? Math.min(logs.length, 1 + random.below(3)) : 0
  const tableCount = Math.min(tables.length, random.pick([0, 1, 1, 2]))
  if (logCount + tableCount < 2) return undefined
  const appends = take(life, logs, logCount).map((target) => someAppend(life, target))
  const changes = take(life, tables, tableCount).map((target) => {
    return { target, ...someChanges(life, target, 60) }
  })
  const isCommitting = logs.length > 0 && random.chance(0.3)
  const commits = isCommitting ? [someCommit(life, random.pick(logs))] : []
  return { appends, changes, commits, level: someLevel(life) }
}

function someAppend(life: Life, target: Target): GroupWork['appends'][number] {
  const { random, model } = life
  const values = Array.from({ length: 1 + random.below(2) }, () => {
    return `${model.valueCount++}-${'x'.repeat(random.below(80))}`
  })
  if (random.chance(0.8)) return { target, values }
  return { target, values, expect: target.log.endOffset + (random.chance(0.8) ? 0 : 1) }
}

function someCommit({ random }: Life, target: Target): GroupWork['commits'][number] {
  return { target, consumer: random.pick(['billing', 'audit']), behind: random.below(4) }
}

function take<Item>({ random }: Life, from: readonly Item[], count: number): Item[] {
  const left = [...from]
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0]!)
}
