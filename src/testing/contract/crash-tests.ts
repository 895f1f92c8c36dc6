/** What is there when the storage is opened again: after a close, a killed process, a lost power. */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { SimRandom } from '../../platform/sim-random.ts'
import type { StorageLog, StorageTable } from '../../store/log-storage.ts'
import { bytesOf, entriesOf, numbers, type Section, type Trial, valuesOf } from './trial.ts'

/** The way in which a trial's storage ends. */
type Crash = 'killAndOpen' | 'cutPowerAndOpen'

export const reopeningTests: Section = (it) => {
  it('finds logs as they were', async (trial) => {
    for (const name of ['a', 'b']) {
      const log = await trial.log(name)
      for (let at = 0; at < 20; at++) await log.append([`${at}`, `${at}+`], { level: 'os' })
      await log.truncate(30)
      await log.append(`new in ${name}`, { level: 'os' })
      await log.trim(25)
    }
    for (let round = 0; round < 3; round++) {
      await trial.reopen()
      for (const name of ['a', 'b']) {
        const log = await trial.log(name)
        assert.deepEqual([log.startOffset, log.endOffset, log.durableOffset], [25, 31, 31])
        const kept = ['12+', '13', '13+', '14', '14+', `new in ${name}`]
        assert.deepEqual(await valuesOf(log), kept)
      }
    }
    const log = await trial.log('a')
    assert.equal((await log.append('next')).offset, 31)
  })

  it('finds tables as they were', async (trial) => {
    const table = await trial.table()
    const expected = new Map<string, string>()
    for (let at = 0; at < 50; at++) {
      const key = `${10 + (at % 20)}`
      await table.put(bytesOf(key), bytesOf(`${at}`), { level: 'os' })
      expected.set(key, `${at}`)
      if (at % 7 !== 0) continue
      await table.delete(bytesOf(key), { level: 'os' })
      expected.delete(key)
    }
    for (let round = 0; round < 3; round++) {
      await trial.reopen()
      assert.deepEqual(new Map(entriesOf(await trial.table())), expected)
    }
  })

  it('finds nothing that was trimmed away to the end, and the offset after it', async (trial) => {
    const log = await trial.log()
    await log.append(['a', 'b', 'c'], { level: 'os' })
    await log.trim(3)
    await trial.reopen()
    const again = await trial.log()
    assert.deepEqual([again.startOffset, again.endOffset], [3, 3])
    assert.equal((await again.append('d')).offset, 3)
  })

  it('makes durable at the close what nobody waited for', async (trial) => {
    const log = await trial.log()
    const table = await trial.table()
    const under = [
      log.append('disk', { level: 'disk' }),
      log.append('os', { level: 'os' }),
      table.put(bytesOf('k'), bytesOf('v'), { level: 'os' }),
    ]
    await Promise.all([trial.reopen(), Promise.allSettled(under)])
    assert.deepEqual(await valuesOf(await trial.log()), ['disk', 'os'])
    assert.deepEqual(entriesOf(await trial.table()), [['k', 'v']])
  })
}

export const processCrashTests: Section = (it) => {
  crashTests('killAndOpen', 'os')(it)
}

export const powerLossTests: Section = (it) => {
  crashTests('cutPowerAndOpen', 'disk')(it)

  it('keeps what is acknowledged at os where something later was made durable', async (trial) => {
    const log = await trial.log()
    await log.append('a', { level: 'os' })
    await log.append('b', { level: 'os' })
    await log.reached('disk', log.endOffset)
    await trial.cutPowerAndOpen()
    assert.deepEqual(await valuesOf(await trial.log()), ['a', 'b'])
  })
}

/** @param safe  the level that survives it. */
const crashTests =
  (crash: Crash, safe: 'os' | 'disk'): Section =>
  (it) => {
    it(`keeps what is acknowledged at ${safe}`, async (trial) => {
      for (let round = 0; round < 4; round++) {
        const [log, table] = await Promise.all([trial.log(), trial.table()])
        assert.deepEqual(await valuesOf(log), numbers(0, 5 * round).map(String))
        assert.deepEqual(entriesOf(table), round === 0 ? [] : [['round', `${round - 1}`]])
        for (let at = 0; at < 5; at++) await log.append(`${5 * round + at}`, { level: safe })
        await table.put(bytesOf('gone'), bytesOf('x'), { level: safe })
        await table.put(bytesOf('round'), bytesOf(`${round}`), { level: safe })
        await table.delete(bytesOf('gone'), { level: safe })
        await trial[crash]()
      }
    })

    it('does not bring back what was trimmed or truncated', async (trial) => {
      for (const name of ['a', 'b', 'c']) {
        const log = await trial.log(name)
        for (let at = 0; at < 40; at++) await log.append(`${at}`.padEnd(100), { level: safe })
        await log.truncate(30)
        await log.trim(name === 'c' ? 30 : 7)
        if (name === 'b') await log.append('new', { level: safe })
      }
      await trial[crash]()
      for (const [name, start, end] of [
        ['a', 7, 30],
        ['b', 7, 31],
        ['c', 30, 30],
      ] as const) {
        const log = await trial.log(name)
        assert.deepEqual([log.startOffset, log.endOffset], [start, end], `log ${name}`)
        const kept = numbers(start, 30).map(String)
        const values = (await valuesOf(log)).map((value) => value.trim())
        assert.deepEqual(values, name === 'b' ? [...kept, 'new'] : kept)
      }
    })

    it('opens the same again', async (trial) => {
      const log = await trial.log()
      for (let at = 0; at < 20; at++) await log.append([`${at}`, `${at}+`], { level: 'os' })
      await log.reached(safe, 10)
      await trial[crash]()
      const found = await valuesOf(await trial.log())
      await trial[crash]()
      assert.deepEqual(await valuesOf(await trial.log()), found)
      await trial.reopen()
      assert.deepEqual(await valuesOf(await trial.log()), found)
    })

    for (const seed of [1, 2, 3, 4, 5]) {
      it(`leaves a prefix, of whole batches, of each log and table (seed ${seed})`, (trial) =>
        history(trial, { crash, safe, seed }))
    }
  }

/** What one log was asked for since it was opened. */
class LogHistory {
  #found: readonly string[] = []
  #batches: string[][] = []
  /** Batches that must survive. */
  #safeCount = 0

  /** Resolves with what to call when the acknowledgement counts. */
  async append(log: StorageLog, values: string[], level: 'os' | 'disk'): Promise<() => void> {
    const count = this.#batches.push(values)
    await log.append(values, { level })
    return () => {
      this.#safeCount = Math.max(this.#safeCount, count)
    }
  }

  /** Asserts that `values` are a prefix, of whole batches, with all that must survive. */
  check(values: readonly string[]): void {
    const kept = [...this.#found, ...this.#batches.slice(0, this.#safeCount).flat()]
    assert.deepEqual(values.slice(0, kept.length), kept, 'what was acknowledged is there')
    const ends = numbers(this.#safeCount, this.#batches.length + 1).map(
      (count) => this.#found.length + this.#batches.slice(0, count).flat().length,
    )
    assert(ends.includes(values.length), `${values.length} records are no whole batches: ${ends}`)
    assert.deepEqual(values, [...this.#found, ...this.#batches.flat()].slice(0, values.length))
    this.#found = values
    this.#batches = []
    this.#safeCount = 0
  }
}

/** What a table was asked for since it was opened. */
class TableHistory {
  #found: readonly (readonly [string, string])[] = []
  #changes: { readonly key: string; readonly value: string | undefined }[] = []
  #safeCount = 0

  async change(
    table: StorageTable,
    key: string,
    value: string | undefined,
    level: 'os' | 'disk',
  ): Promise<() => void> {
    const count = this.#changes.push({ key, value })
    if (value === undefined) await table.delete(bytesOf(key), { level })
    else await table.put(bytesOf(key), bytesOf(value), { level })
    return () => {
      this.#safeCount = Math.max(this.#safeCount, count)
    }
  }

  /** Asserts that `entries` are what some prefix of the changes gives, with all that must survive. */
  check(entries: readonly (readonly [string, string])[]): void {
    const possible = numbers(this.#safeCount, this.#changes.length + 1).map((count) =>
      this.#after(count),
    )
    const isOne = possible.some((state) => isDeepStrictEqual(state, entries))
    // The comparison with what must survive shows what is wrong.
    if (!isOne) assert.deepEqual(entries, possible[0], 'the table is what no prefix gives')
    this.#found = entries
    this.#changes = []
    this.#safeCount = 0
  }

  #after(count: number): [string, string][] {
    const state = new Map(this.#found)
    for (const { key, value } of this.#changes.slice(0, count)) {
      if (value === undefined) state.delete(key)
      else state.set(key, value)
    }
    return [...state].sort(([one], [other]) => (one < other ? -1 : 1))
  }
}

/** Random appends and changes, some of them under way at the crash; six crashes. */
async function history(
  trial: Trial,
  { crash, safe, seed }: { crash: Crash; safe: 'os' | 'disk'; seed: number },
): Promise<void> {
  const random = new SimRandom(seed)
  const logHistories = new Map(['a', 'b', 'c'].map((name) => [name, new LogHistory()]))
  const tableHistory = new TableHistory()
  for (let round = 0; ; round++) {
    for (const [name, past] of logHistories) past.check(await valuesOf(await trial.log(name)))
    const table = await trial.table()
    tableHistory.check(entriesOf(table))
    if (round === 6) return
    let isOver = false
    const count = random.below(40)
    for (let at = 0; at < count; at++) {
      const level = random.pick(['os', 'disk'] as const)
      const text = `${round}/${at}`
      const [name, past] = random.pick([...logHistories])
      const log = await trial.log(name)
      const values = numbers(0, 1 + random.below(3)).map((part) => `${text}.${part}`)
      const key = `${random.below(9)}`
      const value = random.chance(0.3) ? undefined : text
      const acknowledged = random.chance(0.4)
        ? tableHistory.change(table, key, value, level)
        : past.append(log, values, level)
      // Past the crash nobody hears an acknowledgement any more, or that it failed.
      const noted = acknowledged.then(
        (note) => {
          if (!isOver && (level === 'disk' || safe === 'os')) note()
        },
        (error: unknown) => {
          if (!isOver) throw error
        },
      )
      if (random.chance(0.4)) await noted
      else noted.catch(() => {})
    }
    isOver = true
    await trial[crash]()
  }
}
