/** What is checked of atomic groups after every recovery: each is in all of its logs or in none. */
import { strict as assert } from 'node:assert'
import type { Log } from '../../src/log/log.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoreModel } from './model.ts'
import { type LogKey, logModelOf, textOfChange, type UndecidedGroup } from './model-groups.ts'

function logOf(store: Store, { topic, index }: LogKey): Log {
  return store.topic(topic)!.log(index)
}

/**
 * Decides of groups that nobody was told about. One that is found in any of its logs must be in all
 * of them: it is accepted there, so that the check of these logs and of the group says whether it is.
 */
export function settleGroups(store: Store, model: StoreModel): void {
  let undecided = model.undecidedGroups
  model.undecidedGroups = []
  for (;;) {
    const found = undecided.find((group) => isFound(store, model, group))
    if (found === undefined) return
    undecided = undecided.filter((group) => group !== found)
    const parts = found.parts.flatMap(({ values, ...key }) => {
      const known = logModelOf(model, key)
      known?.accept(values)
      return known === undefined ? [] : [{ ...key, end: known.accepted.length }]
    })
    model.groups.push({ parts })
  }
}

function isFound(store: Store, model: StoreModel, { parts }: UndecidedGroup): boolean {
  return parts.some(({ values, ...key }) => {
    const known = logModelOf(model, key)
    if (known === undefined) return false
    const log = logOf(store, key)
    const base = known.accepted.length
    if (log.endOffset < base + values.length || log.startOffset > base) return false
    const isTable = model.tables.has(key.topic)
    const cursor = log.cursor({ from: base })
    return values.every((value) => {
      if (!cursor.next()) return false
      const text = cursor.value()?.toString()
      return (isTable ? textOfChange({ key: String(cursor.key()), value: text }) : text) === value
    })
  })
}

/** Call it when every log was checked. What is durable everywhere is not asked for again. */
export function checkGroups(store: Store, model: StoreModel): void {
  model.groups = model.groups.filter(({ parts }) => {
    const known = parts.filter((part) => logModelOf(model, part) !== undefined)
    const there = known.filter((part) => logOf(store, part).endOffset >= part.end)
    if (there.length > 0 && there.length < known.length) {
      const where = known.map((part) => {
        const verdict = there.includes(part) ? 'there' : 'missing'
        return `${part.topic}-${part.index} up to ${part.end}: ${verdict}`
      })
      assert.fail(`an atomic group is there in parts: ${where.join(', ')}`)
    }
    const isDurable = known.every((part) => logModelOf(model, part)!.diskEnd >= part.end)
    return there.length > 0 && !isDurable
  })
}
