/** Goal: any number may wait for one signal, each is told once, and none after it has stopped waiting. */
import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { onAbort } from '../../src/base/on-abort.ts'

describe('onAbort', () => {
  it('tells all who wait, once, with one listener on the signal', () => {
    const controller = new AbortController()
    const told: number[] = []
    for (let i = 0; i < 100; i++) onAbort(controller.signal, () => told.push(i))
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1)
    controller.abort()
    controller.signal.dispatchEvent(new Event('abort'))
    expect(told).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('tells nobody who has stopped waiting, also meanwhile', () => {
    const controller = new AbortController()
    const told: string[] = []
    const stops = ['a', 'b', 'c'].map((name) =>
      onAbort(controller.signal, () => {
        told.push(name)
        stops[2]?.()
      }),
    )
    stops[0]?.()
    controller.abort()
    expect(told).toEqual(['b'])
  })

  it('keeps signals apart, and waits anew on one that nobody waits for any more', () => {
    const [one, other] = [new AbortController(), new AbortController()]
    const told: string[] = []
    onAbort(one.signal, () => told.push('one'))()
    onAbort(other.signal, () => told.push('other'))
    onAbort(one.signal, () => told.push('one again'))
    one.abort()
    expect(told).toEqual(['one again'])
  })
})
