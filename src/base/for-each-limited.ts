import { assert } from './assert.ts'

/** As many as the thread pool has threads by default: more at once would wait there. */
export const poolThreads = 4

/**
 * Runs `work` for each item, at most `limit` at a time, each begun when its turn comes.
 *
 * @throws (rejects) the first failure, once nothing is under way any more; what had not begun by then
 *         never does.
 */
export async function forEachLimited<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  assert(limit >= 1, 'without a worker nothing would be done')
  const waiting = items[Symbol.iterator]()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = waiting.next()
      if (next.done === true) return
      try {
        await work(next.value)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, worker))
  if (failures.length > 0) throw failures[0]
}
