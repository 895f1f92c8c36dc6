/**
 * Goal: whoever asks for a sync gets the answer of one that began after he asked, few at a time by
 * themselves and many together. Method: a binding whose syncs end when the test says so.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SyncQueue } from '../../src/platform/sync-queue.ts'

type Sync = {
  readonly members: readonly (number | string)[]
  readonly isTogether: boolean
  end(errorOf?: (member: number | string) => Error | undefined): void
}

function testBinding(most?: number) {
  const underWay: Sync[] = []
  const begin = (sync: Sync): void => void underWay.push(sync)
  const one = (member: number | string) =>
    new Promise<void>((resolve, reject) => {
      begin({
        members: [member],
        isTogether: false,
        end: (errorOf) => {
          const error = errorOf?.(member)
          if (error === undefined) resolve()
          else reject(error)
        },
      })
    })
  const syncMany = (fds: readonly number[], directories: readonly string[]) =>
    new Promise<(Error | undefined)[]>((resolve) => {
      const members = [...fds, ...directories]
      begin({
        members,
        isTogether: true,
        end: (errorOf) => resolve(members.map((m) => errorOf?.(m))),
      })
    })
  const queue = new SyncQueue({ fdatasync: one, syncDirectory: one, syncMany }, most)
  return { queue, underWay }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)

describe('a queue of syncs', () => {
  it('runs four by themselves, and few that wait so too', async () => {
    const { queue, underWay } = testBinding()
    const all = numbers(0, 10).map((fd) => queue.file(fd))
    expect(underWay.map(({ members }) => members)).toEqual([[0], [1], [2], [3]])
    for (let ended = 0; ended < 10; ended++) {
      underWay[ended]!.end()
      await turn()
    }
    await Promise.all(all)
    expect(underWay.every(({ isTogether }) => !isTogether)).toBe(true)
  })

  it('runs many that wait together, and those who come meanwhile after them', async () => {
    const { queue, underWay } = testBinding()
    const first = [...numbers(0, 30).map((fd) => queue.file(fd)), queue.directory('d')]
    underWay[0]!.end()
    await turn()
    expect(underWay[4]).toMatchObject({ members: [...numbers(4, 26), 'd'], isTogether: true })
    const second = numbers(100, 20).map((fd) => queue.file(fd))
    for (const sync of underWay.slice(1, 4)) sync.end()
    await turn()
    // They are many, and one group is under way: none of them is covered by it.
    expect(underWay).toHaveLength(5)
    underWay[4]!.end()
    await turn()
    expect(underWay[5]).toMatchObject({ members: numbers(100, 20), isTogether: true })
    underWay[5]!.end()
    await Promise.all([...first, ...second])
  })

  it('runs no more together than it may, and none when those are too few', async () => {
    for (const [most, sizes] of [
      [20.5, [1, 1, 1, 1, 20, 20, 1, 1, 1, 1]],
      [15, Array.from({ length: 48 }, () => 1)],
    ] as const) {
      const { queue, underWay } = testBinding(most)
      const all = numbers(0, 48).map((fd) => queue.file(fd))
      for (let ended = 0; ended < underWay.length; ended++) {
        underWay[ended]!.end()
        await turn()
      }
      await Promise.all(all)
      expect(underWay.map(({ members }) => members.length)).toEqual(sizes)
      expect(underWay.flatMap(({ members }) => members)).toEqual(numbers(0, 48))
    }
  })

  it('tells each what became of it', async () => {
    const { queue, underWay } = testBinding()
    const all = numbers(0, 30).map((fd) => queue.file(fd))
    const settled = Promise.allSettled(all)
    const failing = (member: number | string) =>
      member === 0 || member === 17 ? new Error(`of ${member}`) : undefined
    for (let at = 0; at < 5; at++) {
      underWay[at]!.end(failing)
      await turn()
    }
    const results = await settled
    const failed = results.flatMap((result, fd) => (result.status === 'rejected' ? [fd] : []))
    expect(failed).toEqual([0, 17])
    await expect(all[17]).rejects.toThrow('of 17')
  })

  it('goes on when a call is refused', async () => {
    let calls = 0
    const refused = () => {
      calls++
      throw new Error('refused')
    }
    const queue = new SyncQueue({ fdatasync: refused, syncDirectory: refused, syncMany: refused })
    const results = await Promise.allSettled(numbers(0, 60).map((fd) => queue.file(fd)))
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(calls).toBeLessThan(20)
    await expect(queue.directory('d')).rejects.toThrow('refused')
  })

  it('answers nobody by a sync that began before he asked', async () => {
    const steps = fc.array(
      fc.oneof(fc.record({ ask: fc.integer({ min: 1, max: 40 }) }), fc.record({ end: fc.nat(6) })),
      {
        maxLength: 40,
      },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { queue, underWay } = testBinding()
        const asked = new Map<number, number>()
        const ended = new Set<Sync>()
        const answers: Promise<void>[] = []
        let next = 0
        const end = (sync: Sync): void => {
          ended.add(sync)
          sync.end()
        }
        for (const step of all) {
          if ('ask' in step) {
            for (let i = 0; i < step.ask; i++) {
              const fd = next++
              asked.set(fd, underWay.length)
              answers.push(queue.file(fd))
            }
          } else {
            const running = underWay.filter((sync) => !ended.has(sync))
            if (running.length > 0) end(running[step.end % running.length]!)
            await turn()
          }
          const running = underWay.filter((sync) => !ended.has(sync))
          expect(running.length).toBeLessThanOrEqual(4)
          expect(running.filter(({ isTogether }) => isTogether).length).toBeLessThanOrEqual(1)
        }
        for (let at = 0; at < underWay.length; at++) {
          if (!ended.has(underWay[at]!)) end(underWay[at]!)
          await turn()
        }
        await Promise.all(answers)
        const places = underWay.flatMap(({ members }, at) => members.map((fd) => [fd, at] as const))
        expect(places.map(([fd]) => fd).sort((a, b) => Number(a) - Number(b))).toEqual(
          numbers(0, next),
        )
        for (const [fd, at] of places) expect(at).toBeGreaterThanOrEqual(asked.get(fd as number)!)
      }),
    )
  })
})
