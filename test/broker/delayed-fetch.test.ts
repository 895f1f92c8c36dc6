import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/base/clock.ts'
import { maxParked, ParkingLot } from '../../src/broker/delayed-fetch.ts'

/** Time that passes when the test says so. */
class ManualClock implements Clock {
  readonly #tasks = new Set<() => void>()

  now(): number {
    return 0
  }

  elapsedMs(): number {
    return 0
  }

  after(_delayMs: number, task: () => void) {
    this.#tasks.add(task)
    return { cancel: () => void this.#tasks.delete(task) }
  }

  get pending(): number {
    return this.#tasks.size
  }

  expire(): void {
    for (const task of this.#tasks) task()
  }
}

class FakeLog {
  readonly listeners = new Set<() => void>()

  onAppend(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  append(): void {
    for (const listener of this.listeners) listener()
  }
}

describe('the parking lot', () => {
  const setUp = () => {
    const clock = new ManualClock()
    const lot = new ParkingLot(clock)
    const logs = [new FakeLog(), new FakeLog()] as const
    const abort = new AbortController()
    const park = (isReady = (_log: FakeLog) => true) =>
      lot.park({ watched: logs, waitMs: 100, signal: abort.signal, isReady })
    const isEmpty = () =>
      lot.count === 0 && clock.pending === 0 && logs.every(({ listeners }) => listeners.size === 0)
    return { clock, lot, logs, abort, park, isEmpty }
  }

  it('keeps nothing of a fetch that ended, however it ended', async () => {
    const { clock, logs, abort, park, isEmpty } = setUp()
    for (const end of [() => logs[1].append(), () => clock.expire(), () => abort.abort()]) {
      const parked = park()
      expect(isEmpty()).toBe(false)
      end()
      await parked
      expect(isEmpty()).toBe(true)
    }
  })

  it('ends a fetch when it is ready, not before, and tells which log changed', async () => {
    const { logs, park, lot } = setUp()
    const changed: FakeLog[] = []
    const parked = park((log) => changed.push(log) === 2)
    logs[1].append()
    expect(lot.count).toBe(1)
    logs[0].append()
    expect(lot.count).toBe(0)
    await parked
    expect(changed).toEqual([logs[1], logs[0]])
  })

  it('fails a fetch whose readiness cannot be told, and not who appended', async () => {
    const { logs, park, isEmpty } = setUp()
    const parked = park(() => {
      throw new Error('a bug')
    })
    expect(() => logs[0].append()).not.toThrow()
    await expect(parked).rejects.toThrow('a bug')
    expect(isEmpty()).toBe(true)
  })

  it('does not park what is aborted already, nor more than it has places for', async () => {
    const { abort, park, lot, clock } = setUp()
    const parked = Array.from({ length: maxParked }, () => park(() => false))
    await park(() => false) // at once
    expect(lot.count).toBe(maxParked)
    clock.expire()
    await Promise.all(parked)
    abort.abort()
    await park()
    expect(lot.count).toBe(0)
  })
})
