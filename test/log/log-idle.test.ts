/**
 * Goal: what is not used costs nothing: a log that was opened after a clean stop, and only read,
 * closes without a write or a sync of its own, and one that changed in any way does not.
 * Method: the simulated disk names every file that is changed or synced between open and close.
 */
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const changes: Record<string, (log: Log) => unknown> = {
  'append to it': (log) => log.append('c', { level: 'os' }),
  'roll it': (log) => log.roll(),
  'trim it': (log) => log.trim(1),
  'truncate it and append as much': (log) => {
    log.truncate(1)
    return log.append('x', { level: 'os' })
  },
}

describe('a log opened after a clean stop', () => {
  it('closes without touching the disk when it was only read', async () => {
    const { store, touched } = await reopened()
    const log = await store.log('t')
    expect(valuesIn(log)).toEqual(['a', 'b'])
    await store.close()
    expect(touched.filter((path) => path.includes('/t-0'))).toEqual([])
  })

  it.each(Object.keys(changes))(
    'is written and synced after all that is done to it: %s',
    async (name) => {
      const { disk, store, touched } = await reopened()
      const log = await store.log('t')
      await changes[name]!(log)
      const expected = { values: valuesIn(log), startOffset: log.startOffset }
      await store.close()
      expect(touched.some((path) => path.includes('/t-0'))).toBe(true)
      // Everything a clean stop left is durable: a power cut changes nothing.
      const again = await openOn(disk.crash())
      expect(again.wasClean).toBe(true)
      const found = await again.log('t')
      expect({ values: valuesIn(found), startOffset: found.startOffset }).toEqual(expected)
      await again.close()
    },
  )
})

async function reopened() {
  const disk = simDisk()
  const first = await openOn(disk)
  const log = await first.log('t')
  await log.append('a')
  await log.append('b')
  await first.close()
  const store = await openOn(disk)
  const touched: string[] = []
  disk.planFault = ({ path }) => {
    touched.push(path)
    return undefined
  }
  return { disk, store, touched }
}
