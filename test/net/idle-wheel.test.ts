// Covers idle-wheel.ts. Goal: who is idle for long enough is found in time, once, and nobody is looked
// at more often than a timeout passes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IdleWheel } from '../../src/net/idle-wheel.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

const timeoutMs = 600
const everyMs = 30

class Peer {
  looks = 0
  readonly #clock: SteppedClock
  #lastMs: number

  constructor(clock: SteppedClock) {
    this.#clock = clock
    this.#lastMs = clock.elapsedMs()
  }

  move(): void {
    this.#lastMs = this.#clock.elapsedMs()
  }

  idleMs(elapsedMs: number): number {
    this.looks++
    return elapsedMs - this.#lastMs
  }
}

function start(clock: SteppedClock) {
  const due: { peer: Peer; atMs: number }[] = []
  const onDue = (peer: Peer) => due.push({ peer, atMs: clock.elapsedMs() })
  const wheel = new IdleWheel<Peer>({ timeoutMs, everyMs, clock, onDue })
  return { wheel, due }
}

describe('IdleWheel', () => {
  it('finds whoever is idle, in time and once, whatever the others do', () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 400 }),
      what: fc.constantFrom('add', 'move', 'delete'),
      who: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 100_000 }), (steps, startMs) => {
        const clock = new SteppedClock(startMs)
        const { wheel, due } = start(clock)
        const present = new Map<Peer, number>()
        const settle = () => {
          for (const { peer, atMs } of due.splice(0)) {
            const lastMs = present.get(peer)
            expect(lastMs).toBeDefined()
            expect(atMs - lastMs!).toBeGreaterThanOrEqual(timeoutMs)
            present.delete(peer)
          }
          for (const lastMs of present.values()) {
            expect(clock.elapsedMs() - lastMs).toBeLessThan(timeoutMs + 2 * everyMs)
          }
        }
        for (const { waitMs, what, who } of steps) {
          clock.advance(waitMs)
          settle()
          const peer = [...present.keys()][who % Math.max(present.size, 1)]
          if (what === 'add') {
            const added = new Peer(clock)
            wheel.add(added)
            present.set(added, clock.elapsedMs())
          } else if (peer !== undefined && what === 'move') {
            peer.move()
            present.set(peer, clock.elapsedMs())
          } else if (peer !== undefined) {
            wheel.delete(peer)
            present.delete(peer)
          }
        }
        clock.advance(timeoutMs + 2 * everyMs)
        settle()
        expect(present.size).toBe(0)
      }),
    )
  })

  it('looks at one that is in use once per timeout', () => {
    const clock = new SteppedClock()
    const { wheel, due } = start(clock)
    const peer = new Peer(clock)
    wheel.add(peer)
    for (let i = 0; i < 1000; i++) {
      clock.advance(6)
      peer.move()
    }
    expect(due).toEqual([])
    expect(peer.looks).toBeLessThanOrEqual(6000 / timeoutMs)
  })

  it('looks at many in several turns of the event loop', () => {
    const clock = new SteppedClock()
    const { wheel, due } = start(clock)
    for (let i = 0; i < 1200; i++) wheel.add(new Peer(clock))
    const found = new Set<number>()
    const after = clock.after.bind(clock)
    clock.after = (delayMs, run) => {
      found.add(due.length)
      return after(delayMs, run)
    }
    clock.advance(timeoutMs + 2 * everyMs)
    expect([...found]).toEqual([0, 500, 1000, 1200])
  })

  it('sets no timer once it is stopped', () => {
    const clock = new SteppedClock()
    const { wheel } = start(clock)
    wheel.stop()
    expect(clock.pending).toBe(0)
  })
})
