/** Goal: never more under way than allowed, in the order in which they came, whatever fails. */
import { describe, expect, it } from 'vitest'
import { Limiter } from '../../src/base/limiter.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('Limiter', () => {
  it('runs so many at once and the others in order, also after one that failed', async () => {
    const limiter = new Limiter(2)
    const begun: number[] = []
    const ends: ((error?: Error) => void)[] = []
    const runs = Array.from({ length: 5 }, (_, i) =>
      limiter.run(() => {
        begun.push(i)
        return new Promise<number>((resolve, reject) => {
          ends[i] = (error) => (error === undefined ? resolve(i) : reject(error))
        })
      }),
    )
    const settled = Promise.allSettled(runs)
    await turn()
    expect(begun).toEqual([0, 1])
    ends[1]!(new Error('in vain'))
    await turn()
    expect(begun).toEqual([0, 1, 2])
    ends[0]!()
    ends[2]!()
    await turn()
    expect(begun).toEqual([0, 1, 2, 3, 4])
    ends[3]!()
    ends[4]!()
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      ...Array.from({ length: 3 }, () => 'fulfilled'),
    ])
    await expect(runs[3]).resolves.toBe(3)
  })

  it('gives a place that is free again to one who comes later', async () => {
    const limiter = new Limiter(1)
    await expect(limiter.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(limiter.run(() => Promise.resolve('yes'))).resolves.toBe('yes')
  })

  it('also when its work throws before it gives a promise', async () => {
    const limiter = new Limiter(1)
    const throwing = () => {
      throw new Error('at once')
    }
    await expect(limiter.run(throwing)).rejects.toThrow('at once')
    await expect(limiter.run(() => Promise.resolve(1))).resolves.toBe(1)
  })
})
