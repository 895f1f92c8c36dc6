/**
 * Goal: no operation of the disk is the wrong moment. Method: scripted histories, of plain logs
 * (crash/sim/script.ts) and of tables and atomic groups (crash/sim/script-groups.ts), with a crash at every operation in every class, crashes of the recoveries
 * after that, and a fault at every operation and read. STRATALOG_CRASH_SCRIPT, STRATALOG_CRASH_SEED and
 * STRATALOG_CRASH_AT play the place in a failure's message alone.
 */
import { expect, it } from 'vitest'
import { searchExhaustively } from '../../crash/sim/exhaustive.ts'
import { type ScriptName, scriptNames } from '../../crash/sim/scripts.ts'

/** Of one script; above the least, no further place is tried after this time. */
const leastChecks = 10_000
const budgetMs = 25_000
const onlyScript = process.env['STRATALOG_CRASH_SCRIPT'] as ScriptName | undefined
const onlyAt = process.env['STRATALOG_CRASH_AT']
const hangMs = 600_000

it.each(onlyScript === undefined ? scriptNames : [onlyScript])(
  'keeps its promises after a crash at every operation, and a fault at every operation and read: %s',
  async (script) => {
    const seed = Number(process.env['STRATALOG_CRASH_SEED'] ?? 1)
    const place = onlyAt === undefined ? {} : { at: Number(onlyAt) }
    const started = performance.now()
    const isEnough = (done: number) => done >= leastChecks && performance.now() - started > budgetMs
    const { checks, operations, reads } = await searchExhaustively({
      seed,
      script,
      isEnough,
      ...place,
    })
    console.log(
      `exhaustive, ${script}: ${checks} crash-and-recover checks, ${operations} operations, ${reads} reads`,
    )
    if (onlyAt === undefined) expect(checks).toBeGreaterThanOrEqual(leastChecks)
  },
  hangMs,
)
