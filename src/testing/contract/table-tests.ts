/** What a table must do while nothing goes wrong. */
import assert from 'node:assert/strict'
import { SimRandom } from '../../platform/sim-random.ts'
import type { StorageTable } from '../../store/log-storage.ts'
import type { RangeOptions } from '../../table/key-range.ts'
import { bytesOf, entriesOf, failsWith, numbers, type Section, textOf } from './trial.ts'

const os = { level: 'os' } as const

export const tableTests: Section = (it) => {
  it('holds what was put last, and nothing that was deleted', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('k')
    assert.equal(table.get(key), undefined)
    await table.put(key, bytesOf('1'))
    await table.put(key, bytesOf('2'), os)
    await table.put(bytesOf('empty'), bytesOf(''), os)
    assert.deepEqual(table.get(key), bytesOf('2'))
    assert.deepEqual(table.get(bytesOf('empty')), Buffer.alloc(0))
    await table.delete(key)
    await table.delete(bytesOf('never there'), os)
    assert.equal(table.get(key), undefined)
    assert.deepEqual(entriesOf(table), [['empty', '']])
  })

  it('shows a change in the turn in which it is made', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('k')
    const put = table.put(key, bytesOf('v'))
    assert.deepEqual(table.get(key), bytesOf('v'))
    assert.deepEqual(entriesOf(table), [['k', 'v']])
    const deleted = table.delete(key)
    assert.equal(table.get(key), undefined)
    await Promise.all([put, deleted])
  })

  it('copies what it is given, and gives copies', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('key')
    const value = bytesOf('value')
    const done = table.put(key, value, os)
    key.fill('x')
    value.fill('x')
    await done
    const found = table.get(bytesOf('key'))
    found?.fill('y')
    for (const [rangeKey, rangeValue] of table.range()) {
      rangeKey.fill('z')
      rangeValue.fill('z')
    }
    assert.deepEqual(entriesOf(table), [['key', 'value']])
  })

  it('ranges in the order of the bytes, in all bounds', async (trial) => {
    const table = await trial.table()
    const keys = [
      '',
      '\0',
      '\0\0',
      'a',
      'a\0',
      'a\xff',
      'a\xff\xff',
      'aa',
      'b',
      '\x7f',
      '\x80',
      '\xff',
    ]
    for (const key of [...keys].reverse()) await table.put(bytesOf(key), bytesOf(`v${key}`), os)
    const expected = keys.map(bytesOf).sort(Buffer.compare).map(textOf)
    const check = (options: RangeOptions<Buffer>, isIn: (key: string) => boolean): void => {
      const inside = expected.filter(isIn)
      const entries = inside.map((key) => [bytesOf(key), bytesOf(`v${key}`)])
      assert.deepEqual([...table.range(options)], entries)
      const reversed = [...table.range({ ...options, reverse: true })]
      assert.deepEqual(reversed, [...entries].reverse())
      assert.deepEqual([...table.range({ ...options, limit: 2 })], entries.slice(0, 2))
    }
    check({}, () => true)
    // Text of one character a byte compares as its bytes do.
    for (const bound of [...keys, 'a\x01', 'c']) {
      check({ gte: bytesOf(bound) }, (key) => key >= bound)
      check({ gt: bytesOf(bound) }, (key) => key > bound)
      check({ lte: bytesOf(bound) }, (key) => key <= bound)
      check({ lt: bytesOf(bound) }, (key) => key < bound)
      check({ prefix: bytesOf(bound) }, (key) => key.startsWith(bound))
      check({ gt: bytesOf('a'), lte: bytesOf(bound) }, (key) => key > 'a' && key <= bound)
    }
  })

  it('changes only what holds what is expected', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('k')
    const refused = (change: () => unknown): unknown => failsWith('ERR_CONFLICT', change)
    await refused(() => table.put(key, bytesOf('x'), { ...os, expect: bytesOf('1') }))
    await refused(() => table.delete(key, { ...os, expect: bytesOf('') }))
    await table.put(key, bytesOf('1'), { ...os, expect: undefined })
    await refused(() => table.put(key, bytesOf('x'), { ...os, expect: undefined }))
    await refused(() => table.put(key, bytesOf('x'), { ...os, expect: bytesOf('11') }))
    await table.put(key, bytesOf('2'), { ...os, expect: bytesOf('1') })
    await refused(() => table.delete(key, { ...os, expect: bytesOf('1') }))
    assert.deepEqual(entriesOf(table), [['k', '2']])
    await table.delete(key, { ...os, expect: bytesOf('2') })
    assert.deepEqual(entriesOf(table), [])
  })

  it('lets one of many who expect the same change it', async (trial) => {
    const table = await trial.table()
    const key = bytesOf('counter')
    await table.put(key, bytesOf('0'))
    const add = async (): Promise<number> => {
      for (let tries = 1; ; tries++) {
        const held = table.get(key) as Buffer
        try {
          await Promise.resolve()
          await table.put(key, bytesOf(`${Number(textOf(held)) + 1}`), { ...os, expect: held })
          return tries
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_CONFLICT')
        }
      }
    }
    const tries = await Promise.all(numbers(0, 20).map(add))
    assert.equal(textOf(table.get(key) as Buffer), '20')
    assert(Math.max(...tries) > 1, 'some were refused')
  })

  it('keeps tables and logs apart', async (trial) => {
    const [one, other, log] = await Promise.all([
      trial.table('one'),
      trial.table('other'),
      trial.log('log'),
    ])
    await one.put(bytesOf('k'), bytesOf('1'), os)
    await other.put(bytesOf('k'), bytesOf('2'), os)
    assert.deepEqual(entriesOf(await trial.table('one')), [['k', '1']])
    assert.deepEqual(entriesOf(other), [['k', '2']])
    assert.equal(log.endOffset, 0)
  })

  for (const seed of [1, 2, 3]) {
    it(`does what a sorted map does, whatever is asked of it (seed ${seed})`, async (trial) => {
      const random = new SimRandom(seed)
      const model = new Map<string, string>()
      for (let round = 0; round < 4; round++) {
        const table = await trial.table()
        checkAgainst(table, model)
        const pending: Promise<unknown>[] = []
        for (let at = 0; at < 150; at++) {
          const key = `${random.below(40)}`
          const change = random.chance(0.3) ? undefined : `${at}`.repeat(random.below(20))
          if (change === undefined) model.delete(key)
          else model.set(key, change)
          const done =
            change === undefined
              ? table.delete(bytesOf(key), os)
              : table.put(bytesOf(key), bytesOf(change), os)
          pending.push(done)
          if (random.chance(0.2)) await done
          if (random.chance(0.1)) checkAgainst(table, model)
        }
        checkAgainst(table, model)
        await Promise.all(pending)
        await trial.reopen()
      }
    })
  }
}

function checkAgainst(table: StorageTable, model: ReadonlyMap<string, string>): void {
  const expected = [...model].sort(([one], [other]) => (one < other ? -1 : 1))
  assert.deepEqual(entriesOf(table), expected)
  for (const [key, value] of model) assert.equal(textOf(table.get(bytesOf(key)) as Buffer), value)
}
