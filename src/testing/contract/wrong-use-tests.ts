/** What wrong use must be answered with: an error that carries a code, and nothing done. */
import assert from 'node:assert/strict'
import type { StorageLog, StorageTable } from '../../store/log-storage.ts'
import { bytesOf, entriesOf, failsWith, recordsOf, type Section, valuesOf } from './trial.ts'

const invalid = 'ERR_OPTION_INVALID'

export const wrongUseTests: Section = (it) => {
  it('refuses names that cannot be', async (trial) => {
    const names = ['', '.', '..', 'a/b', 'a b', 'ü', 'x'.repeat(250), 7, undefined]
    for (const name of names as string[]) {
      await failsWith('ERR_TOPIC_INVALID', () => trial.storage.log(name))
      await failsWith('ERR_TOPIC_INVALID', () => trial.storage.table(name, bytesSpec))
    }
  })

  it('refuses a log where a table is, and the reverse', async (trial) => {
    const codes = ['ERR_TOPIC_INVALID', 'ERR_TOPIC_EXISTS']
    await trial.log('l')
    await trial.table('t')
    await failsWith(codes, () => trial.log('t'))
    await failsWith(codes, () => trial.table('l'))
  })

  it('refuses appends that say nothing or nonsense', async (trial) => {
    const log = await trial.log()
    const wrong: (() => unknown)[] = [
      () => log.append([]),
      ...[undefined, null, 7, true, { key: 'no value' }, { value: 7 }, { key: 7, value: 'v' }].map(
        (record) => () => log.append(record as never),
      ),
      () => log.append(['good', 7 as never]),
      () => log.append({ value: 'v', headers: [{ key: 1 as never, value: 'v' }] }),
      () => log.append({ value: 'v', timestamp: 1.5 }),
      ...['paper', 1, null].map((level) => () => log.append('v', { level: level as never })),
    ]
    for (const append of wrong) await failsWith([invalid, 'ERR_TIMESTAMP_OUT_OF_BOUNDS'], append)
    assert.deepEqual(await valuesOf(log), [])
    assert.equal((await log.append('v')).offset, 0)
  })

  it('refuses offsets that are none', async (trial) => {
    const log = await trial.log()
    await log.append(['a', 'b', 'c'])
    for (const offset of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
      const from = offset as number
      const codes = [invalid, 'ERR_OFFSET_OUT_OF_RANGE']
      await failsWith(codes, () => recordsOf(log, { from }))
      await failsWith(codes, () => recordsOf(log, { to: from }))
      await failsWith(codes, () => log.trim(from))
      await failsWith(codes, () => log.truncate(from))
    }
    assert.deepEqual(await valuesOf(log), ['a', 'b', 'c'])
  })

  it('refuses keys, values and bounds that are no bytes', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('k')
    for (const value of [undefined, null, 7, 'text', {}]) {
      const wrong = value as never
      await failsWith(invalid, () => table.put(wrong, key))
      await failsWith(invalid, () => table.put(key, wrong))
      await failsWith(invalid, () => table.delete(wrong))
      await failsWith(invalid, () => table.get(wrong))
      if (value !== undefined) {
        await failsWith(invalid, () => table.put(key, key, { expect: wrong }))
        await failsWith(invalid, () => [...table.range({ gte: wrong })])
      }
    }
    await failsWith(invalid, () => table.put(key, key, { level: 'paper' as never }))
    await failsWith(invalid, () => [...table.range({ limit: -1 })])
    assert.deepEqual(entriesOf(table), [])
  })

  it('refuses all use after the close, and closes again quietly', async (trial) => {
    const { storage } = trial
    const [log, table] = await Promise.all([trial.log(), trial.table()])
    await log.append('a')
    await storage.close()
    const uses: (() => unknown)[] = [
      () => storage.log('log'),
      () => storage.log('other'),
      () => storage.table('table', bytesSpec),
      () => storage.flush(),
      ...usesOf(log),
      ...usesOfTable(table),
    ]
    if (storage.atomic !== undefined) {
      uses.push(() => storage.atomic?.((group) => group.append(log, 'x')))
    }
    for (const use of uses) await failsWith('ERR_CLOSED', use)
    await storage.close()
    await trial.open()
    assert.deepEqual(await valuesOf(await trial.log()), ['a'])
  })
}

const bytesSpec = { key: 'bytes', value: 'bytes' } as const

function usesOf(log: StorageLog): (() => unknown)[] {
  return [
    () => log.append('x'),
    () => recordsOf(log),
    () => log.trim(1),
    () => log.truncate(0),
    () => log.reached('disk', 100),
  ]
}

function usesOfTable(table: StorageTable): (() => unknown)[] {
  const key = bytesOf('k')
  return [
    () => table.put(key, key),
    () => table.delete(key),
    () => table.get(key),
    () => [...table.range()],
  ]
}
