/**
 * Goal: the crash tests can fail. Method: each bug of crash/sim/planted-bugs.ts is put between
 * engine and disk, and the searches it names must find it within a share of what they search anyway.
 */
import { describe, expect, it } from 'vitest'
import { searchExhaustively } from '../../crash/sim/exhaustive.ts'
import { runHistory } from '../../crash/sim/history.ts'
import { HistoryFailure } from '../../crash/sim/history-failure.ts'
import { type PlantedBug, plantedBugs, type Search } from '../../crash/sim/planted-bugs.ts'

const seedCount = 100

async function search(how: Search, { wrap }: PlantedBug): Promise<void> {
  if (how !== 'random') return void (await searchExhaustively({ seed: 1, script: how, wrap }))
  for (let seed = 1; seed <= seedCount; seed++) await runHistory({ seed, wrap })
}

describe.each(plantedBugs)('an engine that $name', (bug) => {
  it.each(bug.foundBy)('is found out by the search %s', async (how) => {
    await expect(search(how, bug)).rejects.toThrow(HistoryFailure)
  })
})

it('a failure says how to see it again and what happened last', async () => {
  const { wrap } = plantedBugs[0]!
  const failure = await searchExhaustively({ seed: 1, wrap }).catch((error: unknown) => error)
  const { message } = failure as HistoryFailure
  const at = Number(/--mode exhaustive --script logs --seed 1 --at (\d+)/.exec(message)?.[1])
  expect(message).toContain(
    `STRATALOG_CRASH_SCRIPT=logs STRATALOG_CRASH_SEED=1 STRATALOG_CRASH_AT=${at}`,
  )
  expect(message).toMatch(/\n {4}\d+ sync-directory \/data/)
  const again = await searchExhaustively({ seed: 1, wrap, at }).catch((error: unknown) => error)
  const lastOf = (text: string) => text.slice(text.indexOf('what happened last'))
  expect(lastOf((again as HistoryFailure).message)).toBe(lastOf(message))
})
