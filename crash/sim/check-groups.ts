/** What is checked of atomic groups after every recovery: each is in all of its logs or in none. */
import { strict as assert } from 'node:assert'
import type { Log } from '../../src/log/log.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoreModel } from './model.ts'
import {
  type GroupCommit,
  type LogKey,
  logModelOf,
  textOfChange,
  type UndecidedGroup,
} from './model-groups.ts'

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
    model.groups.push({ parts, commits: found.commits })
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
  model.foundCommits = []
  model.missingCommits = []
  model.groups = model.groups.filter(({ parts, commits }) => {
    const known = parts.filter((part) => logModelOf(model, part) !== undefined)
    const there = known.filter((part) => logOf(store, part).endOffset >= part.end)
    if (there.length > 0 && there.length < known.length) {
      const where = known.map((part) => {
        const verdict = there.includes(part) ? 'there' : 'missing'
        return `${part.topic}-${part.index} up to ${part.end}: ${verdict}`
      })
      assert.fail(`an atomic group is there in parts: ${where.join(', ')}`)
    }
    if (there.length > 0) model.foundCommits.push(...commits)
    else if (known.length > 0) model.missingCommits.push(...commits)
    else explainAnyway(model, commits)
    const isDurable = known.every((part) => logModelOf(model, part)!.diskEnd >= part.end)
    return there.length > 0 && !isDurable
  })
}

/** Whether these were made nobody can tell any more. */
function explainAnyway(model: StoreModel, commits: readonly GroupCommit[]): void {
  for (const { consumer, offset, ...key } of commits) {
    logModelOf(model, key)?.commits.get(consumer)?.singles.add(offset)
  }
}

/**
 * A position is there if its group is, with the records before it, and not if the group is not. Call it
 * for what `consumer` has `committed` in a log that is at least `least` by other promises.
 */
export function checkGroupCommits(
  model: StoreModel,
  log: LogKey & { readonly endOffset: number },
  position: { readonly consumer: string; readonly committed: number; readonly least: number },
): void {
  const known = logModelOf(model, log)!
  const { consumer, committed, least } = position
  const isHere = (one: GroupCommit): boolean =>
    one.consumer === consumer &&
    logModelOf(model, one) === known &&
    one.truncations === known.truncations
  const found = model.foundCommits.filter(isHere)
  for (const { offset } of found) {
    const shape = `${consumer} was committed up to ${offset} of ${log.topic}-${log.index} in a group`
    if (committed < offset) assert.fail(`${shape} that is there, and is at ${committed}`)
    if (log.endOffset < offset)
      assert.fail(`${shape} that is there, and the log ends at ${log.endOffset}`)
  }
  const isExplained =
    committed <= least ||
    known.commits.get(consumer)!.singles.has(committed) ||
    found.some(({ offset }) => offset === committed)
  const isOrphan = model.missingCommits.some((one) => isHere(one) && one.offset === committed)
  if (isOrphan && !isExplained) {
    assert.fail(
      `${consumer} is at ${committed} of ${log.topic}-${log.index} by a group that is missing`,
    )
  }
}
