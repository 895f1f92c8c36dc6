/** Goal: work over many items keeps its bound, and ends as a whole when one fails. */
import { expect, it } from 'vitest'
import { forEachLimited } from '../../src/base/for-each-limited.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('runs all, no more than the limit at a time, in their order', async () => {
  const begun: number[] = []
  let running = 0
  let most = 0
  await forEachLimited([5, 1, 4, 2, 3, 0], 3, async (turns) => {
    begun.push(turns)
    most = Math.max(most, ++running)
    for (let i = 0; i < turns; i++) await turn()
    running--
  })
  expect([begun, most, running]).toEqual([[5, 1, 4, 2, 3, 0], 3, 0])
})

it('rejects with the first failure, begins nothing after it, and waits for what runs', async () => {
  const begun: number[] = []
  const ended: number[] = []
  const all = forEachLimited([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item)
    await turn()
    if (item === 0) throw new Error('first')
    await turn()
    await turn()
    ended.push(item)
  })
  await expect(all).rejects.toThrow('first')
  expect([begun, ended]).toEqual([[0, 1], [1]])
})
