/** What an atomic group over several logs and tables must do, crashes included. */
import assert from 'node:assert/strict'
import type {
  StorageGroup,
  StorageGroupAck,
  StorageLog,
  StorageTable,
} from '../../store/log-storage.ts'
import {
  bytesOf,
  entriesOf,
  failsWith,
  numbers,
  type Section,
  type Trial,
  textOf,
  turn,
  valuesOf,
} from './trial.ts'

const os = { level: 'os' } as const

type Build = (group: StorageGroup) => void

function atomic(
  trial: Trial,
  build: Build,
  options: { readonly level?: 'os' | 'disk' } = {},
): Promise<StorageGroupAck> {
  const { storage } = trial
  assert(storage.atomic !== undefined, 'the storage has no `atomic`: leave out "groups"')
  return storage.atomic(build, options)
}

type Members = { one: StorageLog; other: StorageLog; table: StorageTable }

async function members(trial: Trial): Promise<Members> {
  const [one, other, table] = await Promise.all([
    trial.log('one'),
    trial.log('other'),
    trial.table(),
  ])
  return { one, other, table }
}

/** Asserts that every group `n` of `writeGroup` is there with all its parts or with none. */
async function expectWhole({ one, other, table }: Members): Promise<number> {
  const values = await valuesOf(one)
  assert.deepEqual(values, numbers(0, values.length).map(String))
  assert.deepEqual(
    await valuesOf(other),
    values.flatMap((n) => [`${n}a`, `${n}b`]),
  )
  const held = values.length === 0 ? [] : [['last', values.at(-1)]]
  assert.deepEqual(entriesOf(table), held)
  return values.length
}

const partsOf =
  ({ one, other, table }: Members, n: number): Build =>
  (group) => {
    group.append(one, `${n}`)
    group.append(other, [`${n}a`, `${n}b`])
    group.put(table, bytesOf('last'), bytesOf(`${n}`))
  }

export const groupTests: Section = (it) => {
  it('makes all changes together, and says where', async (trial) => {
    const { one, other, table } = await members(trial)
    await one.append('before', os)
    await table.put(bytesOf('gone'), bytesOf('x'), os)
    const { level, appends } = await atomic(trial, (group) => {
      group.append(one, ['a', 'b'])
      group.put(table, bytesOf('k'), bytesOf('v'))
      group.append(other, 'c')
      group.delete(table, bytesOf('gone'))
    })
    assert.equal(level, 'disk')
    assert.deepEqual(
      appends.map(({ offset, lastOffset }) => [offset, lastOffset]),
      [
        [1, 2],
        [0, 0],
      ],
    )
    assert.deepEqual(await valuesOf(one), ['before', 'a', 'b'])
    assert.deepEqual(await valuesOf(other), ['c'])
    assert.deepEqual(entriesOf(table), [['k', 'v']])
    assert(one.durableOffset >= 3 && other.durableOffset >= 1)
  })

  it('never shows a part', async (trial) => {
    const all = await members(trial)
    let isDone = false
    const groups = Promise.all(
      numbers(0, 30).map((n) => atomic(trial, partsOf(all, n), n % 2 === 0 ? os : {})),
    ).finally(() => {
      isDone = true
    })
    while (!isDone) {
      const { one, other, table } = all
      const count = one.endOffset
      assert.equal(other.endOffset, 2 * count)
      const last = table.get(bytesOf('last'))
      assert.equal(last === undefined ? 0 : Number(textOf(last)) + 1, count)
      await turn()
    }
    await groups
    assert.equal(await expectWhole(all), 30)
  })

  it('makes nothing when one expectation does not hold', async (trial) => {
    const { one, other, table } = await members(trial)
    await one.append('before', os)
    await table.put(bytesOf('k'), bytesOf('1'), os)
    const wrong: Build[] = [
      (group) => group.append(other, 'x', { expect: 1 }),
      (group) => group.put(table, bytesOf('k'), bytesOf('x'), { expect: bytesOf('2') }),
      (group) => group.put(table, bytesOf('k'), bytesOf('x'), { expect: undefined }),
      (group) => group.delete(table, bytesOf('none'), { expect: bytesOf('2') }),
    ]
    for (const add of wrong) {
      const build = (group: StorageGroup): void => {
        group.append(one, 'x', { expect: 1 })
        group.put(table, bytesOf('new'), bytesOf('x'))
        add(group)
      }
      await failsWith('ERR_CONFLICT', () => atomic(trial, build))
      assert.deepEqual(await valuesOf(one), ['before'])
      assert.deepEqual(await valuesOf(other), [])
      assert.deepEqual(entriesOf(table), [['k', '1']])
    }
    await atomic(trial, (group) => {
      group.append(one, 'after', { expect: 1 })
      group.append(other, 'first', { expect: 0 })
      group.put(table, bytesOf('k'), bytesOf('2'), { expect: bytesOf('1') })
    })
    assert.deepEqual(await valuesOf(one), ['before', 'after'])
    assert.deepEqual(entriesOf(table), [['k', '2']])
  })

  it('makes nothing when the caller throws', async (trial) => {
    const { one, table } = await members(trial)
    const failure = new Error('changed my mind')
    const build = (group: StorageGroup): void => {
      group.append(one, 'x')
      group.put(table, bytesOf('k'), bytesOf('x'))
      throw failure
    }
    await assert.rejects(async () => atomic(trial, build), failure)
    assert.deepEqual(await valuesOf(one), [])
    assert.deepEqual(entriesOf(table), [])
    await one.append('after')
    await table.put(bytesOf('k'), bytesOf('after'))
    assert.deepEqual(await valuesOf(one), ['after'])
  })

  it('refuses a caller that waits', async (trial) => {
    const { one } = await members(trial)
    const build = async (group: StorageGroup): Promise<void> => {
      group.append(one, 'x')
      await turn()
    }
    await failsWith('ERR_OPTION_INVALID', () => atomic(trial, build as Build))
    assert.deepEqual(await valuesOf(one), [])
  })

  it('takes its turn among other appends and changes', async (trial) => {
    const { one, other, table } = await members(trial)
    const work: Promise<unknown>[] = []
    for (const n of numbers(0, 20)) {
      const key = bytesOf(`${n}`)
      work.push(one.append(`${n}`, os))
      work.push(
        atomic(trial, (group) => {
          group.append(one, `${n}+`)
          group.append(other, `${n}+`)
          group.put(table, key, bytesOf('group'))
        }),
      )
      work.push(other.append(`${n}`, os))
      if (n % 4 === 0) await turn()
    }
    await Promise.all(work)
    for (const log of [one, other]) {
      const values = await valuesOf(log)
      assert.deepEqual(
        values.filter((value) => value.endsWith('+')),
        numbers(0, 20).map((n) => `${n}+`),
      )
      assert.deepEqual(
        values.filter((value) => !value.endsWith('+')),
        numbers(0, 20).map(String),
      )
    }
    assert.equal(entriesOf(table).length, 20)
  })

  it('keeps them over a close', async (trial) => {
    const before = await members(trial)
    for (const n of numbers(0, 5)) await atomic(trial, partsOf(before, n), os)
    await trial.reopen()
    assert.equal(await expectWhole(await members(trial)), 5)
  })
}

export const groupKillTests: Section = (it) => {
  it('finds a group whole or not at all, and whole once acknowledged at os', (trial) =>
    crashes(trial, 'killAndOpen', 'os'))
}

export const groupPowerTests: Section = (it) => {
  it('finds a group whole or not at all, and whole once acknowledged at disk', (trial) =>
    crashes(trial, 'cutPowerAndOpen', 'disk'))
}

/** Twelve crashes, with groups under way. @param level the level that survives them. */
async function crashes(
  trial: Trial,
  crash: 'killAndOpen' | 'cutPowerAndOpen',
  level: 'os' | 'disk',
): Promise<void> {
  let acknowledged = 0
  for (let round = 0; ; round++) {
    const all = await members(trial)
    const found = await expectWhole(all)
    assert(found >= acknowledged, `${found} groups are there, of ${acknowledged} acknowledged`)
    if (round === 12) return
    acknowledged = found + 3
    for (const n of numbers(found, acknowledged)) await atomic(trial, partsOf(all, n), { level })
    // These are under way when it happens, and nobody hears how they end.
    for (const n of numbers(acknowledged, acknowledged + (round % 4))) {
      atomic(trial, partsOf(all, n), { level: 'os' }).catch(() => {})
    }
    if (round % 2 === 0) await turn()
    await trial[crash]()
  }
}
