import { describe, expect, it } from 'vitest'
import { drain, inTurns } from '../../src/base/steps.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

/** Ten steps of so many ms each. */
function* steps(clock: SteppedClock, ms: number): Generator<void, string> {
  for (let i = 0; i < 10; i++) {
    clock.advance(ms)
    yield
  }
  return 'done'
}

/** How many turns others have until the work is done. */
async function turnsOf(ms: number): Promise<number> {
  const clock = new SteppedClock()
  let turns = 0
  let isDone = false
  const count = () => {
    if (isDone) return
    turns++
    setImmediate(count)
  }
  setImmediate(count)
  expect(await inTurns(steps(clock, ms), clock)).toBe('done')
  isDone = true
  return turns
}

describe('steps', () => {
  it('run to the end at once', () => {
    expect(drain(steps(new SteppedClock(), 100))).toBe('done')
  })

  it('give others a turn when they take long, and only then', async () => {
    expect(await turnsOf(0)).toBe(0)
    expect(await turnsOf(2)).toBeGreaterThanOrEqual(2)
    expect(await turnsOf(5)).toBeGreaterThanOrEqual(9)
  })

  it('end with the error of one', async () => {
    const failing = function* (): Generator<void, never> {
      yield
      throw new Error('broken')
    }
    expect(() => drain(failing())).toThrow('broken')
    await expect(inTurns(failing(), new SteppedClock())).rejects.toThrow('broken')
  })
})
