/**
 * Goal: a table whose snapshot is damaged never shows a wrong value, verify finds every damaged byte
 * of it, and after a repair it opens again with all that can be read.
 */
import { describe, expect, it } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { repairStore } from '../../src/store/repair-store.ts'
import type { Store } from '../../src/store/store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { readFile } from '../support/damaged-disk.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { openSmall } from '../support/small-store.ts'

const spec = { key: 'string', value: 'json', snapshotBytes: 1 } as const
const directory = '/data/m-0'

/** A table with a snapshot, a log that was trimmed up to it, and a change behind it. */
async function closedTable(valueBytes = 1, count = 3): Promise<SimFileSystem> {
  const disk = simDisk()
  const store = await openSmall(disk)
  const table = await store.table('m', spec)
  for (let i = 0; i < count; i++) await table.put(`k${i}`, `${i}${'v'.repeat(valueBytes)}`)
  await table.snapshot()
  await store.close()
  const again = await openSmall(disk)
  const quiet = await again.table('m', { ...spec, snapshotBytes: 1e9 })
  await quiet.put('k0', 'after the snapshot')
  await again.close()
  return disk.processCrash()
}

function snapshotIn(disk: SimFileSystem): string {
  const name = disk.readDirectory(directory).find((one) => one.endsWith('.table'))
  return `${directory}/${name}`
}

async function contentOf(store: Store): Promise<Record<string, unknown>> {
  return Object.fromEntries((await store.table('m', spec)).range())
}

describe('a damaged table snapshot', () => {
  it('is found whichever byte is wrong, and the table opens after the repair', async () => {
    const whole = await closedTable()
    expect((await verifyStore(dataPath, { fileSystem: whole })).findings).toEqual([])
    const truth = await contentOf(await openSmall(whole.processCrash()))
    expect(truth).toEqual({ k0: 'after the snapshot', k1: '1v', k2: '2v' })
    const path = snapshotIn(whole)
    const { length } = readFile(whole, path)
    for (let at = 0; at < length; at++) {
      for (const isCut of [true, false]) {
        const disk = whole.processCrash()
        if (isCut) disk.open(path, 'write').truncate(at)
        else disk.flipBits(path, at, 1 << (at % 8))
        const store = await openSmall(disk.processCrash())
        const opened = await contentOf(store).catch((error: unknown) => error)
        expect(opened).toBeInstanceOf(LogError)
        const report = await repairStore(dataPath, { fileSystem: disk, apply: true })
        expect(report.findings.map(({ kind }) => kind)).toContain('table-snapshot')
        expect(report.remaining, `${at} ${isCut}`).toEqual([])
        const repaired = await contentOf(await openSmall(disk))
        expect(truth).toMatchObject(repaired)
        expect(repaired).toMatchObject({ k0: 'after the snapshot' })
      }
    }
  })

  it('loses the entries of one block and keeps those of the others', async () => {
    const disk = await closedTable(100_000, 8)
    const truth = await contentOf(await openSmall(disk.processCrash()))
    disk.flipBits(snapshotIn(disk), 300_000, 1)
    await repairStore(dataPath, { fileSystem: disk, apply: true })
    const repaired = await contentOf(await openSmall(disk))
    expect(truth).toMatchObject(repaired)
    const kept = Object.keys(repaired).length
    expect(kept).toBeGreaterThan(4)
    expect(kept).toBeLessThan(8)
  })

  it('loses nothing where the log still has all changes', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await store.table('m', spec)
    await table.put('a', '1')
    await store.close()
    const path = `${directory}/${'1'.padStart(20, '0')}.table`
    const file = disk.open(path, 'create')
    file.write(Buffer.from('no snapshot'), 0)
    file.flushSync()
    const report = await repairStore(dataPath, { fileSystem: disk, apply: true })
    expect(report.actions).toMatchObject([{ path, sideFiles: [`${path}.0.damaged`] }])
    expect(report.remaining).toEqual([])
    expect(await contentOf(await openOn(disk))).toEqual({ a: '1' })
  })
})
