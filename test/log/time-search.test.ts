/**
 * Goal: a search by time that is done in steps finds what one at once finds, whatever happens to the log
 * between them. Method: a log of many segments; it is changed after each step in turn.
 */
import { describe, expect, it } from 'vitest'
import { ClosedError } from '../../src/base/errors.ts'
import { drain } from '../../src/base/steps.ts'
import type { Log } from '../../src/log/log.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const count = 12
const timeOf = (i: number) => 1000 + 10 * i

async function logOfSegments() {
  const store = await openOn(simDisk(), { config: { 'segment.bytes': '1024' } })
  const log = await store.log('t')
  for (let i = 0; i < count; i++) {
    await log.append({ value: Buffer.alloc(800), timestamp: timeOf(i) }, { level: 'os' })
  }
  expect(log.segments.count).toBe(count)
  return { store, log }
}

/** What a search finds when `change` happens after its step `at`; undefined when it is over before. */
function searched(
  search: ReturnType<Log['searchTimestamp']>,
  at: number,
  change: () => unknown,
): number | undefined {
  for (let i = 0; i <= at; i++) {
    const step = search.next()
    if (step.done === true) return undefined
  }
  change()
  return drain(search)?.offset ?? -1
}

describe('a search by time in steps', () => {
  it.each([
    ['nothing happens', () => {}],
    ['segments before it are trimmed', (log: Log) => log.trim(5)],
    ['all but the last are trimmed', (log: Log) => log.trim(count - 1)],
    ['the end is cut', (log: Log) => log.truncate(8)],
    ['most is cut', (log: Log) => log.truncate(2)],
    ['records come', (log: Log) => log.append({ value: 'x', timestamp: 5000 }, { level: 'os' })],
    [
      'the end is replaced',
      (log: Log) => {
        log.truncate(8)
        for (let i = 0; i < 4; i++) {
          void log.append({ value: Buffer.alloc(800), timestamp: 3000 }, { level: 'os' })
        }
      },
    ],
  ])('finds what one at once finds afterwards, when %s', async (_, change) => {
    let compared = 0
    for (let at = 0; at < count; at++) {
      const { store, log } = await logOfSegments()
      const found = searched(log.searchTimestamp(timeOf(9)), at, () => change(log))
      if (found !== undefined) {
        expect(found).toBe(log.offsetForTimestamp(timeOf(9))?.offset ?? -1)
        compared++
      }
      await store.close()
    }
    expect(compared).toBeGreaterThanOrEqual(9)
  })

  it.each([
    ['trimmed', (log: Log) => log.trim(count - 1)],
    ['cut', (log: Log) => log.truncate(4)],
  ])('finds the youngest record of a log that is %s meanwhile', async (_, change) => {
    for (let at = 0; at < count; at++) {
      const { store, log } = await logOfSegments()
      const found = searched(log.searchMaxTimestamp(), at, () => change(log))
      expect(found).toBe(log.offsetOfMaxTimestamp()?.offset)
      await store.close()
    }
  })

  it('finds the youngest record when segments go that were below the start before', async () => {
    for (let at = 0; at < count; at++) {
      const { store, log } = await logOfSegments()
      // As retention does: the new start is made durable before anything is deleted.
      log.raiseStart(7)
      const found = searched(
        log.searchMaxTimestamp(),
        at,
        () => void log.freeGently(log.startOffset),
      )
      expect(found ?? log.offsetOfMaxTimestamp()?.offset).toBe(count - 1)
      await store.close()
    }
  })

  it('ends with an error when the log is closed', async () => {
    const { store, log } = await logOfSegments()
    const search = log.searchTimestamp(timeOf(9))
    search.next()
    await store.close()
    expect(() => drain(search)).toThrow(ClosedError)
    expect(() => drain(log.searchMaxTimestamp())).toThrow(ClosedError)
  })
})
