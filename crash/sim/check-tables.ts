/**
 * What is checked of tables after every recovery: their logs as all logs, and that a table holds what
 * the changes in its log give from the first one on, whatever its snapshots made of them.
 */
import { strict as assert } from 'node:assert'
import type { Log } from '../../src/log/log.ts'
import type { LogCursor } from '../../src/log/log-cursor.ts'
import type { Store } from '../../src/store/store.ts'
import type { Table } from '../../src/table/table.ts'
import { type StoreModel, TopicModel } from './model.ts'
import { contentAfter, textOfChange } from './model-groups.ts'
import { tableSpec } from './shapes.ts'

/** Decides, by what is there, which tables that were created or deleted are. */
export function settleTables(store: Store, model: StoreModel): void {
  for (const name of model.unsureTables) {
    const topic = store.topic(name)
    const known = model.tables.get(name)
    if (topic === undefined) {
      model.tables.delete(name)
      if (known !== undefined) model.deletedIds.add(known.id)
    } else if (known === undefined) {
      assert.ok(!model.deletedIds.has(topic.id), `table ${name} is deleted and there again`)
      model.tables.set(name, new TopicModel(topic.id, 1, Number.MAX_SAFE_INTEGER))
    }
  }
  model.unsureTables.clear()
}

/** The log of a table that must be there, and what it may start at in its model: anything. */
export function tableLog(store: Store, name: string, known: TopicModel): Log {
  assert.equal(store.topic(name)?.id, known.id, `id of table ${name}`)
  const ofLog = known.logs[0]!
  // Where it starts is the business of the table's snapshots.
  ofLog.minStart = 0
  ofLog.maxStart = ofLog.trimmedTo = ofLog.accepted.length
  return store.topic(name)!.log(0)
}

/** The record of a table's log as its model has it. */
export function changeAt(cursor: LogCursor): string {
  return textOfChange({ key: String(cursor.key()), value: cursor.value()?.toString() })
}

export type OpenTables = ReadonlyMap<string, Table<string, string>>

/** Opens every table and compares what it holds with what its log's model gives. */
export async function checkTables(store: Store, model: StoreModel): Promise<OpenTables> {
  const opened = new Map<string, Table<string, string>>()
  for (const [name, known] of model.tables) {
    const table = await store.table(name, tableSpec)
    assertHolds(table, known.logs[0]!.accepted, table.log)
    opened.set(name, table)
  }
  return opened
}

function assertHolds(table: Table<string, string>, changes: readonly string[], log: Log): void {
  const shape = `table ${table.name} with log [${log.startOffset}, ${log.endOffset})`
  const content = contentAfter(changes)
  assert.deepEqual([...table], content, `${shape}: content`)
  assert.equal(table.size, content.length, `${shape}: size`)
}
