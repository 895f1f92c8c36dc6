/**
 * The scripted history of tables and atomic groups: three lives with groups over logs and tables at
 * every level, beside changes, snapshots, rolls, trims and truncations of what they wrote to.
 */
import type { DurabilityLevel } from '../../src/base/types.ts'
import type { Life, TableTarget } from './life.ts'
import type { TableChange } from './model-groups.ts'
import { close, createTopic, deleteTopic, flush, roll, trim, truncate } from './moves.ts'
import {
  type ChangeSome,
  change,
  createTable,
  deleteTable,
  type GroupWork,
  group,
  snapshot,
  valueIn,
} from './moves-groups.ts'
import { add, all, on, type Script, type Step, scriptShape, whenThere } from './script.ts'

/** Each list is the steps of one life. */
const lives: readonly (readonly Step[])[] = [
  [
    (life) => createTopic(life, 'a', 2, {}),
    (life) => createTable(life, 't'),
    (life) => together(life, ['a-0', 'a-1'], ['t'], 'disk'),
    (life) => all(put(life, 't', 2, 'os'), add(life, 'a', 0, 1, 'os')),
    (life) => together(life, ['a-1'], ['t'], 'os'),
    (life) => all(together(life, ['a-0', 'a-1'], [], 'os'), add(life, 'a', 1, 1)),
    (life) => all(together(life, ['a-0'], ['t'], 'disk'), together(life, ['a-1'], ['t'], 'disk')),
    (life) => on(life, 'a', 0, (target) => roll(life, target)),
    (life) => together(life, ['a-0', 'a-1'], ['t'], 'os'),
    (life) => onTable(life, 't', (target) => snapshot(life, target)),
    (life) => add(life, 'a', 0, 2, 'os'),
    (life) => together(life, ['a-1'], ['t'], 'disk', { consumed: 'a-0' }),
    (life) => together(life, ['a-0'], ['t'], 'disk', { valueBytes: 150 }),
    (life) => on(life, 'a', 1, (target) => truncate(life, target, target.log.endOffset - 1)),
    (life) => together(life, ['a-0', 'a-1'], ['t'], 'os'),
    close,
  ],
  [
    (life) => createTable(life, 'u'),
    (life) => all(put(life, 't', 1, 'disk'), put(life, 'u', 3, 'disk')),
    (life) => together(life, ['a-0'], ['t', 'u'], 'disk'),
    (life) => all(together(life, [], ['t', 'u'], 'os'), put(life, 'u', 1, 'os')),
    (life) => life.clock.advance(1_000),
    (life) => on(life, 'a', 0, (target) => trim(life, target, target.log.endOffset)),
    (life) => together(life, ['a-0', 'a-1'], ['u'], 'os'),
    (life) => on(life, 'a', 0, (target) => flush(life, target)),
    (life) =>
      all(together(life, ['a-0', 'a-1'], ['t'], 'os'), together(life, ['a-0'], ['t'], 'os')),
    (life) => onTable(life, 'u', (target) => deleteTable(life, target)),
    (life) => together(life, ['a-0', 'a-1'], ['t'], 'disk'),
    (life) => whenThere(life, 'a', () => deleteTopic(life, 'a')),
    (life) => put(life, 't', 2, 'os'),
  ],
]

/** What stands in the redo records of one frame, and what tables make of their logs. */
export const groupScript: Script = {
  name: 'groups',
  shape: { ...scriptShape, name: 'script of groups' },
  lives,
}

function onTable<T>(life: Life, name: string, move: (target: TableTarget) => T): T | undefined {
  const target = life.tables.get(name)
  return target === undefined || target.table.log.state === 'closed' ? undefined : move(target)
}

/** Changes that go round a few keys, every fourth of them a deletion. */
function changes(life: Life, target: TableTarget, count: number): ChangeSome {
  const some = Array.from({ length: count }, (): TableChange => {
    const number = life.model.valueCount++
    const key = `k${number % 3}`
    return number % 4 === 3 ? { key, value: undefined } : { key, value: `${number}-` }
  })
  return { changes: some, expect: { value: valueIn(target, some[0]!.key) } }
}

function put(life: Life, name: string, count: number, level: DurabilityLevel): Promise<void> {
  return life.run(() =>
    onTable(life, name, (target) => change(life, target, changes(life, target, count), level)),
  )
}

/**
 * A group of one record for each log and one change for each table that are there; with `consumed` it
 * commits the end of that log.
 */
function together(
  life: Life,
  logNames: readonly string[],
  tableNames: readonly string[],
  level: DurabilityLevel,
  { valueBytes = 8, consumed }: { readonly valueBytes?: number; readonly consumed?: string } = {},
): Promise<void> {
  return life.run(() => {
    const appends: GroupWork['appends'][number][] = []
    for (const target of life.targets()) {
      if (!logNames.includes(target.log.name) || target.log.state === 'closed') continue
      const value = `${life.model.valueCount++}-`.padEnd(valueBytes, 'x')
      appends.push({ target, values: [value] })
    }
    const ofTables: GroupWork['changes'][number][] = []
    for (const name of tableNames) {
      onTable(life, name, (target) => ofTables.push({ target, ...changes(life, target, 1) }))
    }
    if (appends.length + ofTables.length < 2) return
    const source = life.targets().find(({ log }) => log.name === consumed && log.state === 'open')
    const commits = source === undefined ? [] : [{ consumer: 'billing', target: source, behind: 0 }]
    return group(life, { appends, changes: ofTables, commits, level })
  })
}
