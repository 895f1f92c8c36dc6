/** Goal: a table holds the last value of each key, also after losing power. */
import { expect, it } from 'vitest'
import { Table } from '../../src/table/table.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

it('keeps what was put and forgets what was deleted, over power cuts', async () => {
  const disk = simDisk()
  const table = new Table<{ n: number }>(await (await openOn(disk)).log('t'))
  await Promise.all([table.put('a', { n: 1 }), table.put('a', { n: 2 }), table.put('b', { n: 3 })])
  await table.delete('b')
  expect([...table.entries()]).toEqual([['a', { n: 2 }]])
  const next = disk.crash({ class: 'nothing-unsynced' })
  const again = new Table<{ n: number }>(await (await openOn(next)).log('t'))
  expect([again.size, again.get('a'), again.get('b')]).toEqual([1, { n: 2 }, undefined])
})

it('says which record is not JSON', async () => {
  const log = await (await openOn(simDisk())).log('t')
  await log.append({ key: 'a', value: '{"n":1}' })
  await log.append({ key: 'b', value: 'oops' })
  expect(() => new Table(log)).toThrow('record 1 is not JSON')
})
