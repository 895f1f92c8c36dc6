/** Goal: which segments go, rule by rule and at the edge of each, decided without a disk. */
import { describe, expect, it } from 'vitest'
import type { Offset } from '../../src/base/types.ts'
import {
  keepForever,
  type RetainedSegment,
  type RetentionBounds,
  type RetentionPolicy,
  segmentsToDelete,
} from '../../src/log/retention.ts'

const nowMs = 100_000

/** Segments of ten offsets, from 0 on: bytes and largest timestamp of each. */
function segmentsOf(...shapes: readonly [bytes: number, timestamp: number][]): RetainedSegment[] {
  return shapes.map(([sizeBytes, largestTimestamp], i) => {
    return { baseOffset: (i * 10) as Offset, sizeBytes, largestTimestamp }
  })
}

function plan(
  segments: readonly RetainedSegment[],
  policy: Partial<RetentionPolicy>,
  bounds: Partial<Record<keyof RetentionBounds, number>> = {},
) {
  const logEnd = segments.length * 10
  const all = {
    logStart: 0,
    highWatermark: logEnd,
    logEnd,
    holdOffset: undefined,
    nowMs,
    ...bounds,
  }
  return segmentsToDelete(segments, { ...keepForever, ...policy }, all as RetentionBounds)
}

const old = [100, 1_000] as const
const young = [100, nowMs] as const
const nothing = { count: 0, includesActive: false, start: 0, heldBytes: 0, cutCount: 0 }

describe('retention by time', () => {
  const policy = { maxAgeMs: 5_000 }

  it('takes the old ones up to the first that is not', () => {
    const segments = segmentsOf([...old], [...old], [...young], [...old], [...young])
    expect(plan(segments, policy)).toEqual({ ...nothing, count: 2, start: 20 })
  })

  it('takes one only when it is older than the limit, not as old', () => {
    const at = (ms: number) => plan(segmentsOf([100, nowMs - ms], [...young]), policy).count
    expect([at(5_000), at(5_001)]).toEqual([0, 1])
  })

  it('takes the active segment too when everything is old, but no empty one', () => {
    const all = plan(segmentsOf([...old], [...old]), policy)
    expect(all).toEqual({ ...nothing, count: 2, includesActive: true, start: 20 })
    const empty = segmentsOf([...old], [0, 1_000])
    expect(plan(empty, policy, { logEnd: 10, highWatermark: 10 })).toEqual({
      ...nothing,
      count: 1,
      start: 10,
    })
    expect(plan(segmentsOf([0, 1_000]), policy, { logEnd: 0, highWatermark: 0 })).toEqual(nothing)
  })

  it('keeps everything behind a timestamp in the far future', () => {
    expect(plan(segmentsOf([100, nowMs * 100], [...old], [...old]), policy)).toEqual(nothing)
  })

  it('looks at no timestamp it does not need', () => {
    const asked: number[] = []
    const segments = segmentsOf([...old], [...young], [...old]).map((segment) => ({
      ...segment,
      get largestTimestamp() {
        asked.push(segment.baseOffset)
        return segment.largestTimestamp
      },
    }))
    plan(segments, policy)
    expect(asked).toEqual([0, 10])
    plan(segments, { maxBytes: 1 })
    expect(asked).toEqual([0, 10])
  })
})

describe('retention by bytes', () => {
  const segments = segmentsOf([...young], [...young], [...young])

  it.each([
    [301, 0],
    [300, 0],
    [299, 0],
    [201, 0],
    [200, 1],
    [199, 1],
    [100, 2],
    [1, 2],
    [0, 3],
  ])('of %i bytes takes %i of three segments of 100', (maxBytes, count) => {
    expect(plan(segments, { maxBytes }).count).toBe(count)
  })

  it('takes the active segment only when nothing may stay', () => {
    expect(plan(segments, { maxBytes: 0 })).toMatchObject({ includesActive: true, start: 30 })
  })
})

describe('retention', () => {
  it('keeps everything without a limit', () => {
    expect(plan(segmentsOf([...old], [...old]), {})).toEqual(nothing)
  })

  it('takes what both rules together take', () => {
    const segments = segmentsOf([...old], [...young], [...young], [...young])
    expect(plan(segments, { maxAgeMs: 5_000, maxBytes: 250 }).count).toBe(1)
    expect(plan(segments, { maxAgeMs: 5_000, maxBytes: 150 }).count).toBe(2)
  })

  it('takes what lies below the log start, whatever the limits, and does not move the start', () => {
    const segments = segmentsOf([...young], [...young], [...young])
    expect(plan(segments, {}, { logStart: 9 })).toEqual({ ...nothing, start: 9 })
    expect(plan(segments, {}, { logStart: 10 })).toEqual({ ...nothing, count: 1, start: 10 })
    expect(plan(segments, {}, { logStart: 15 })).toEqual({ ...nothing, count: 1, start: 15 })
    expect(plan(segments, {}, { logStart: 30 })).toEqual({ ...nothing, count: 2, start: 30 })
  })

  it('takes nothing that is not below the high watermark', () => {
    const segments = segmentsOf([...old], [...old], [...old])
    expect(plan(segments, { maxAgeMs: 1 }, { highWatermark: 19 }).count).toBe(1)
    expect(plan(segments, { maxBytes: 0 }, { highWatermark: 20 }).count).toBe(2)
    expect(plan(segments, { maxBytes: 0 }, { highWatermark: 0 }).count).toBe(0)
  })
})

describe('retention with a consumer', () => {
  const segments = segmentsOf([...old], [...old], [...old], [...young])
  const policy = { maxAgeMs: 5_000, retainFor: ['slow'] }

  it('holds the segments with records it has not committed', () => {
    const held = (holdOffset: number) => {
      const { count, heldBytes } = plan(segments, policy, { holdOffset })
      return [count, heldBytes]
    }
    expect(held(0)).toEqual([0, 300])
    expect(held(9)).toEqual([0, 300])
    expect(held(10)).toEqual([1, 200])
    expect(held(29)).toEqual([2, 100])
    expect(held(30)).toEqual([3, 0])
    expect(held(40)).toEqual([3, 0])
  })

  it('cuts the oldest of them, as few as it takes to keep the cap', () => {
    const cut = (maxHeldBytes: number, holdOffset = 0) => {
      return plan(segments, { ...policy, maxHeldBytes }, { holdOffset })
    }
    expect(cut(300)).toMatchObject({ count: 0, cutCount: 0, heldBytes: 300 })
    expect(cut(299)).toMatchObject({ count: 1, cutCount: 1, heldBytes: 300, start: 10 })
    expect(cut(200)).toMatchObject({ count: 1, cutCount: 1 })
    expect(cut(100)).toMatchObject({ count: 2, cutCount: 2 })
    expect(cut(0)).toMatchObject({ count: 3, cutCount: 3, start: 30 })
    expect(cut(100, 12)).toMatchObject({ count: 2, cutCount: 1, heldBytes: 200 })
  })

  it('cuts nothing that the rules keep', () => {
    const none = { retainFor: ['slow'], maxHeldBytes: 0 }
    expect(plan(segments, none, { holdOffset: 0 })).toEqual(nothing)
  })

  it('holds nothing below the log start', () => {
    const below = plan(segments, policy, { holdOffset: 0, logStart: 20 })
    expect(below).toMatchObject({ count: 2, heldBytes: 100, start: 20 })
  })
})
