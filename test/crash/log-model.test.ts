/**
 * Goal: the judge of the crash tests on real systems (crash/) sees every kind of loss.
 * Method: a log that is right, and one thing changed at a time.
 */
import { describe, expect, it } from 'vitest'
import { afterKill, afterPowerLoss, LogModel } from '../../crash/support/log-model.ts'
import { batchIds, idOf, parseId, valueFor } from '../../crash/support/numbered-value.ts'

const first = batchIds('a', 0, 3)
const second = batchIds('a', 3, 2)
const all = [...first, ...second]

function ackedModel(): LogModel {
  const model = new LogModel('t-0')
  model.ack('disk', 0, 'a', 0, 3)
  model.ack('os', 3, 'a', 3, 2)
  return model
}

describe('the judge of a log', () => {
  it('finds nothing wrong with what was sent', () => {
    const model = ackedModel()
    expect(model.check({ start: 0, ids: all }, afterKill)).toEqual([])
    expect(model.check({ start: 0, ids: all }, afterKill)).toEqual([])
    // A new batch nobody was told about may be there.
    const more = [...all, ...batchIds('b', 0, 1)]
    expect(model.check({ start: 0, ids: more }, afterKill)).toEqual([])
  })

  it('lets go of what was acknowledged at os when the power went, and not otherwise', () => {
    expect(ackedModel().check({ start: 0, ids: first }, afterPowerLoss)).toEqual([])
    expect(ackedModel().check({ start: 0, ids: first }, afterKill)).toHaveLength(2)
    expect(ackedModel().check({ start: 0, ids: [] }, afterPowerLoss)).toHaveLength(3)
  })

  it('sees another record at an offset that was acknowledged, whatever the level', () => {
    const other = [...first, ...batchIds('b', 0, 2)]
    expect(ackedModel().check({ start: 0, ids: other }, afterPowerLoss)).toHaveLength(2)
  })

  it('sees that what it has found before is gone', () => {
    const model = ackedModel()
    model.check({ start: 0, ids: all }, afterPowerLoss)
    expect(model.check({ start: 0, ids: first }, afterPowerLoss)).toHaveLength(2)
  })

  it.each([
    ['left out', [...batchIds('a', 1, 1)]],
    ['twice', [...batchIds('a', 0, 1), ...batchIds('a', 0, 1)]],
    ['torn at its end', first.slice(0, 2)],
    ['torn at its begin', [...batchIds('b', 0, 1), ...batchIds('a', 0, 3).slice(1)]],
    ['never sent', ['nonsense']],
  ])('sees records that are %s', (_, ids) => {
    const faults = new LogModel('t-0').check({ start: 0, ids }, afterKill)
    expect(faults.length).toBeGreaterThan(0)
  })

  it('lets a log begin where a trim may have put it, and nowhere else', () => {
    const trimmed = ackedModel()
    trimmed.trimming(3)
    expect(trimmed.check({ start: 3, ids: second }, afterKill)).toEqual([])
    expect(trimmed.check({ start: 0, ids: all }, afterKill)).not.toEqual([])
    expect(ackedModel().check({ start: 3, ids: second }, afterKill)).not.toEqual([])
  })

  it('counts what a client without offsets was told', () => {
    const model = new LogModel('t-0')
    model.ackCount('a', 5)
    expect(model.check({ start: 0, ids: all }, afterKill)).toEqual([])
    model.ackCount('a', 6)
    expect(model.check({ start: 0, ids: all }, afterKill)).toHaveLength(1)
  })
})

describe('a numbered value', () => {
  it('is known again, and not when a character of it is changed or missing', () => {
    for (const id of batchIds('c12.r0', 41, 40)) {
      const value = valueFor(id)
      expect(idOf(value)).toBe(id)
      expect(parseId(id)).toMatchObject({ source: 'c12.r0', count: 40 })
      expect(idOf(`${value}x`)).toBeUndefined()
      expect(idOf(`x${value}`)).toBeUndefined()
      if (!value.endsWith('|')) expect(idOf(value.slice(0, -1))).toBeUndefined()
    }
  })
})
