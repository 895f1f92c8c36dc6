// Goal: a checkpoint that nobody waits for syncs one log at a time, and hurries once somebody does.
// Method: targets whose syncs end when the test says so.
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { FlushTarget } from '../../src/flush/flush-target.ts'
import { SegmentSyncs } from '../../src/flush/segment-syncs.ts'

/** Ends of the syncs that are under way, in the order in which they began. */
let running: (() => void)[] = []

function* targets(count: number, asked: number[] = []): Generator<FlushTarget> {
  for (let i = 0; i < count; i++) {
    asked.push(i)
    const sync = () => new Promise<void>((resolve) => running.push(resolve))
    yield { sync } as Partial<FlushTarget> as FlushTarget
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

describe('gentle syncs', () => {
  it('go one after the other, with turns of the loop in between', async () => {
    running = []
    const asked: number[] = []
    const whole = new SegmentSyncs(4).syncGently(targets(3, asked), () => false)
    for (let i = 0; i < 3; i++) {
      await turns(10)
      expect(asked).toHaveLength(i + 1)
      expect(running).toHaveLength(1)
      running.pop()?.()
      await turn()
      expect(running).toHaveLength(0)
    }
    await whole
  })

  it('hurry when somebody waits', async () => {
    running = []
    let isUrgent = false
    const whole = new SegmentSyncs(4).syncGently(targets(7), () => isUrgent)
    await turns(10)
    isUrgent = true
    running.pop()?.()
    await turns(2)
    expect(running).toHaveLength(4)
    for (let ended = 1; ended < 7; ended++) {
      running.shift()?.()
      await turn()
    }
    await whole
    expect(running).toHaveLength(0)
  })
})
