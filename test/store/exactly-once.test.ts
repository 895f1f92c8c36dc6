/**
 * Goal: what is made of records, and the position behind them, are one: no crash counts a record
 * twice or not at all.
 * Method: the word count of examples/ on the simulated disk, ended at random operations by every class
 * of crash while lines are still being written; commits in groups, right and wrong.
 */
import { describe, expect, it } from 'vitest'
import { countWords, openWordCount } from '../../examples/08-word-count.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Store } from '../../src/store/store.ts'
import { isSimCrash, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const lineCount = 60
const lines = Array.from({ length: lineCount }, (_, i) => `a${i % 3} b${i % 7} a${i % 3} line`)

function countsOf(some: readonly string[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const word of some.flatMap((line) => line.split(' '))) {
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1))
}

/** The example is compiled against the built package, whose classes these are not. */
type ExampleStore = Parameters<typeof countWords>[0]
const asExample = (store: Store): ExampleStore => store as unknown as ExampleStore

/** Everything there is was made of exactly the lines before the position. */
async function expectExact(store: Store): Promise<number> {
  const { counts, changes, lines: log } = await openWordCount(asExample(store))
  const { committed = 0 } = await store.consumer('word-count', await store.log('lines'))
  expect(committed).toBeLessThanOrEqual(log.endOffset)
  const counted = lines.slice(0, committed)
  expect([...counts.range()]).toEqual(countsOf(counted))
  // Every change of a count is in the output once, so a word's last one is its count.
  const last = new Map<string, number>()
  for await (const { key, value } of changes.read()) last.set(String(key), Number(String(value)))
  expect([...last].sort(([one], [other]) => (one < other ? -1 : 1))).toEqual(countsOf(counted))
  const changeCount = counted.reduce((sum, line) => sum + new Set(line.split(' ')).size, 0)
  expect(changes.endOffset).toBe(changeCount)
  return committed
}

/** Writes the lines that are missing, and counts at the same time. */
async function run(store: Store, random: SimRandom): Promise<void> {
  const log = await store.log('lines')
  const counting = countWords(asExample(store), lineCount, { level: random.pick(['os', 'disk']) })
  // Awaited below, after what is written meanwhile.
  counting.catch(() => {})
  while (log.endOffset < lineCount) {
    const batch = lines.slice(log.endOffset, log.endOffset + 1 + random.below(4))
    await log.append(batch, { level: random.pick(['os', 'os', 'disk']) })
  }
  await counting
}

describe('a word count over a log', () => {
  it('counts every word once, whatever ends it, and however often', async () => {
    let crashes = 0
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SimRandom(seed)
      let disk: SimFileSystem = simDisk()
      for (let life = 0; ; life++) {
        const store = await openOn(disk)
        await expectExact(store)
        // At last one is left alone.
        if (life < 12) disk.stopAt(disk.operationCount + 1 + random.below(160))
        try {
          await run(store, random)
        } catch (error) {
          if (!isSimCrash(error)) throw error
        }
        if (!disk.hasStopped) {
          disk.stopAt(Number.POSITIVE_INFINITY)
          expect(await expectExact(store), `seed ${seed}`).toBe(lineCount)
          break
        }
        crashes++
        const isProcess = random.chance(0.3)
        disk = isProcess ? disk.processCrash() : disk.crash({ class: random.pick(crashClasses) })
      }
    }
    expect(crashes).toBeGreaterThan(200)
  })
})

describe('a commit in a group', () => {
  async function opened(disk = simDisk()) {
    const store = await openOn(disk)
    const input = await store.log('input')
    const output = await store.log('output')
    const consumer = await store.consumer('one', input)
    return { disk, store, input, output, consumer }
  }

  it('is made with the rest, and takes the records before it along', async () => {
    const { disk, store, input, output, consumer } = await opened()
    await input.append(['a', 'b', 'c'], { level: 'os' })
    await store.atomic(
      (tx) => {
        tx.append(output, 'ab')
        tx.commitPosition(consumer, 2)
      },
      { level: 'disk' },
    )
    expect([consumer.committed, input.durableOffset]).toEqual([2, 3])
    const again = await opened(disk.crash({ class: 'nothing-unsynced' }))
    expect([again.consumer.committed, valuesIn(again.output)]).toEqual([2, ['ab']])
    expect(valuesIn(again.input)).toEqual(['a', 'b', 'c'])
  })

  it('lets a group that nobody waited for survive only with what it was made of', async () => {
    for (const crashClass of crashClasses) {
      const { disk, store, input, output, consumer } = await opened()
      await input.append('a', { level: 'os' })
      await store.atomic(
        (tx) => {
          tx.append(output, 'A')
          tx.commitPosition(consumer, 1)
        },
        { level: 'os' },
      )
      // The sync that somebody else waits for makes the group durable.
      await (await store.log('else')).append('x', { level: 'disk' })
      const again = await opened(disk.crash({ class: crashClass }))
      expect([valuesIn(again.input), valuesIn(again.output)]).toEqual([['a'], ['A']])
      expect(again.consumer.committed ?? 0).toBe(again.output.endOffset)
    }
  })

  it('takes the position of the consumer by default, and ends a seek back', async () => {
    const { store, input, output, consumer } = await opened()
    await input.append(['a', 'b', 'c'])
    await consumer.commit(3)
    consumer.seek(1)
    await store.atomic((tx) => {
      tx.append(output, 'x')
      tx.commitPosition(consumer)
    })
    expect(consumer.committed).toBe(1)
    await consumer.commit(2)
    await expect(consumer.commit(1)).rejects.toMatchObject({ code: 'ERR_COMMIT_STALE' })
  })

  it('is refused with the whole group, and nothing is written', async () => {
    const { store, input, output, consumer } = await opened()
    const other = await opened()
    await input.append(['a', 'b', 'c', 'd'])
    await consumer.commit(3)
    input.trim(2)
    const positions = consumer.encodeCommit(3).table.log
    const before = [output.endOffset, positions.endOffset]
    const attempt = (commit: unknown, offset?: number) =>
      store.atomic((tx) => {
        tx.append(output, 'x')
        tx.commitPosition(commit as typeof consumer, offset)
      })
    for (const [code, work] of [
      ['ERR_OFFSET_OUT_OF_RANGE', attempt(consumer, 1)],
      ['ERR_OFFSET_OUT_OF_RANGE', attempt(consumer, 5)],
      ['ERR_COMMIT_STALE', attempt(consumer, 2)],
      ['ERR_OPTION_INVALID', attempt(consumer, -1)],
      ['ERR_OPTION_INVALID', attempt(consumer, 3.5)],
      ['ERR_OPTION_INVALID', attempt(other.consumer, 0)],
      ['ERR_OPTION_INVALID', attempt('one', 0)],
    ] as const) {
      await expect(work).rejects.toMatchObject({ code })
    }
    consumer.close()
    await expect(attempt(consumer, 4)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect([output.endOffset, positions.endOffset]).toEqual(before)
  })

  it('is refused when what was read is truncated while the group waited, also where others stand now', async () => {
    const { store, input, output, consumer } = await opened()
    await input.append(['a', 'b'], { level: 'os' })
    await input.append('c', { level: 'os' })
    // The first group of a store waits for its journal.
    const group = store.atomic((tx) => {
      tx.append(output, 'abc')
      tx.commitPosition(consumer, 3)
    })
    input.truncate(2)
    await input.append('d', { level: 'os' })
    await expect(group).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      log: input.name,
      expected: 3,
    })
    expect([output.endOffset, consumer.committed]).toEqual([0, undefined])
  })

  it('is not refused for a group that was taken back meanwhile: nobody had read that', async () => {
    const { disk, store, input, output, consumer } = await opened()
    const side = await store.log('side')
    await input.append(['a', 'b'], { level: 'os' })
    disk.planFault = ({ kind, path }) => {
      const isMeant = kind === 'write' || kind === 'reserve'
      return isMeant && path.startsWith('/data/output-0/') ? { errno: 'ENOSPC' } : undefined
    }
    const failing = store.atomic((tx) => {
      tx.append(input, 'c')
      tx.append(output, 'c')
    })
    const group = store.atomic((tx) => {
      tx.append(side, 'ab')
      tx.commitPosition(consumer, 2)
    })
    await expect(failing).rejects.toMatchObject({ code: 'ERR_STORAGE' })
    await group
    expect([valuesIn(input), consumer.committed]).toEqual([['a', 'b'], 2])
  })

  it('is refused when another handle has gone ahead while the group waited', async () => {
    const { store, input, output, consumer } = await opened()
    const faster = await store.consumer('one', input)
    await input.append(['a', 'b', 'c'])
    const group = store.atomic((tx) => {
      tx.append(output, 'x')
      tx.commitPosition(consumer, 1)
    })
    const ahead = faster.commit(3)
    await expect(group).rejects.toMatchObject({ code: 'ERR_COMMIT_STALE' })
    await ahead
    expect([output.endOffset, consumer.committed]).toEqual([0, 3])
  })
})
