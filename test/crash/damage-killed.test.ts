/**
 * Goal and method: those of damage.test.ts, for a store that was killed. What was not durable may be
 * cut then, but no more, and what was is repaired as after a clean stop.
 */
import { describe, expect, it } from 'vitest'
import { cutAll, flipAll } from '../support/damage-trial.ts'

describe('a store that was killed', () => {
  it('never serves a wrong record whichever byte is flipped, and is repaired', async () => {
    const trial = await flipAll(false)
    trial.say('killed store, bytes flipped')
    expect(trial.counts.healed).toBeGreaterThan(100)
    expect(trial.counts.lost).toBeGreaterThan(300)
  })

  it('never serves a wrong record to whatever length a file is cut, and is repaired', async () => {
    const trial = await cutAll(false)
    trial.say('killed store, files cut')
    expect(trial.counts.lost).toBeGreaterThan(300)
  })
})
