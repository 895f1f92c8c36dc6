/**
 * Goal: no operation of the disk is the wrong moment. Method: one scripted history
 * (crash/sim/script.ts), with a crash at every operation in every class, crashes of the recoveries
 * after that, and a fault at every operation and read. STRATALOG_CRASH_SEED and STRATALOG_CRASH_AT
 * play the place in a failure's message alone.
 */
import { expect, it } from 'vitest'
import { searchExhaustively } from '../../crash/sim/exhaustive.ts'

/** Above the least, no further place is tried after this time. */
const leastChecks = 14_000
const budgetMs = 45_000
const onlyAt = process.env['STRATALOG_CRASH_AT']
const hangMs = 600_000

it(
  'keeps its promises after a crash at every operation, and a fault at every operation and read',
  async () => {
    const seed = Number(process.env['STRATALOG_CRASH_SEED'] ?? 1)
    const place = onlyAt === undefined ? {} : { at: Number(onlyAt) }
    const started = performance.now()
    const isEnough = (done: number) => done >= leastChecks && performance.now() - started > budgetMs
    const { checks, operations, reads } = await searchExhaustively({ seed, isEnough, ...place })
    console.log(
      `exhaustive: ${checks} crash-and-recover checks, ${operations} operations, ${reads} reads`,
    )
    if (onlyAt === undefined) expect(checks).toBeGreaterThanOrEqual(leastChecks)
  },
  hangMs,
)
