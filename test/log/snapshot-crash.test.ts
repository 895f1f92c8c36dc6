/**
 * Goal: a snapshot without producers, as long logs have, never makes a producer that comes later
 * forgotten, whenever the power goes.
 * Method: a log of more than a megabyte on the simulated disk; the machine stops at every operation
 * of rolls, checkpoints, a truncation and a stop around the first batches that have a producer.
 */
import { describe, expect, it } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { expectDense, openOn, simDisk } from '../support/log-inspection.ts'

const config = { 'segment.bytes': '600000' }
const large = Buffer.alloc(500_000)

type Acked = { readonly sequence: number; readonly offset: number }

const ofProducer = (log: Log, sequence: number) =>
  log.append(`${sequence}`, { level: 'disk', producer: { id: 7, epoch: 0, sequence } })

/** What was acknowledged before the machine stopped. */
async function history(disk: SimFileSystem): Promise<Acked[]> {
  const acked: Acked[] = []
  try {
    const store = await openOn(disk, { config })
    const log = await store.log('t')
    const append = async (sequence: number) => {
      const { offset } = await ofProducer(log, sequence)
      acked.push({ sequence, offset })
    }
    for (let i = 0; i < 3; i++) await log.append(large, { level: 'os' })
    await store.checkpoint()
    await append(0)
    await log.append(large, { level: 'os' })
    await append(1)
    await store.checkpoint()
    await log.append(large, { level: 'disk' })
    log.truncate(log.endOffset - 1)
    await append(2)
    await store.close()
  } catch (error) {
    if (!(error instanceof SimCrash || error instanceof LogError)) throw error
  }
  return acked
}

async function expectRemembered(disk: SimFileSystem, acked: readonly Acked[]): Promise<void> {
  const store = await openOn(disk, { config })
  const log = await store.log('t')
  expectDense(log)
  // The last one: those before it are two segments away, further than an open looks for them.
  for (const { sequence, offset } of acked.slice(-1)) {
    const again = await ofProducer(log, sequence)
    expect([again.offset, again.isDuplicate]).toEqual([offset, true])
  }
  await store.close()
}

describe('snapshots without producers', () => {
  it('forget none, wherever the machine stops', async () => {
    const whole = simDisk()
    await history(whole)
    expect(whole.readDirectory('/data/t-0').some((name) => name.endsWith('.snapshot'))).toBe(true)
    let checks = 0
    for (let at = 1; at <= whole.operationCount; at++) {
      const disk = simDisk(at)
      disk.stopAt(at)
      const acked = await history(disk)
      disk.halt()
      await expectRemembered(disk.crash({ class: 'nothing-unsynced' }), acked)
      await expectRemembered(disk.crash({ seed: at }), acked)
      await expectRemembered(disk.processCrash(), acked)
      checks += 3
    }
    expect(checks).toBeGreaterThan(300)
  })
})
