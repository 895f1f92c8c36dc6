/**
 * Goal: whatever a store was doing when power or process went, opening it again keeps the promises.
 * Method: random histories of several logs on the simulated disk (crash/sim/history.ts), with every
 * class of crash, faults of the disk and damage, against a model of what may be there. A failing
 * seed is in the test's message; STRATALOG_CRASH_SEED=<seed> runs it alone.
 */
import { expect, it } from 'vitest'
import { runHistory } from '../../crash/sim/history.ts'

const seedCount = 300
/** Above the least, no further history begins after this time. */
const leastChecks = 6_000
const budgetMs = 30_000
const onlySeed = process.env['STRATALOG_CRASH_SEED']
const hangMs = 600_000

it(
  'keeps its promises over random histories and crashes',
  async () => {
    const started = performance.now()
    let checks = 0
    let seed = 1
    if (onlySeed !== undefined) checks = (await runHistory({ seed: Number(onlySeed) })).checks
    else {
      while (seed <= seedCount) {
        if (checks >= leastChecks && performance.now() - started > budgetMs) break
        checks += (await runHistory({ seed })).checks
        seed++
      }
      expect(checks).toBeGreaterThanOrEqual(leastChecks)
    }
    console.log(`random histories: ${checks} crash-and-recover checks, ${seed - 1} seeds`)
  },
  hangMs,
)

it('plays a seed the same way again', async () => {
  for (const seed of [5, 14, 7]) {
    const first = await runHistory({ seed })
    expect(await runHistory({ seed })).toEqual(first)
    expect((await runHistory({ seed: seed + 8 })).fingerprint).not.toBe(first.fingerprint)
  }
})
