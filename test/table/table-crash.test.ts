/**
 * Goal: a power cut at any moment of a snapshot, of the trim after it or of the changes meanwhile
 * loses no change acknowledged at `disk`, and leaves a state the table has had.
 * Method: the simulated disk stops at every operation of a fixed history in turn; from there the
 * process is killed, and power cut in two of the ways there are, each in its turn. What is found must be what some prefix of the changes gives, no shorter
 * than what was acknowledged; and opening it twice gives the same.
 */
import { expect, it } from 'vitest'
import { type CrashClass, crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openOn, simDisk, smallSegments } from '../support/log-inspection.ts'
import { bareTable } from '../support/table-harness.ts'

const spec = { key: 'uint64', value: 'string', snapshotBytes: 600 } as const
/** Values so small that a snapshot is one write, or so large that changes come in between. */
type Scale = { readonly fillerBytes: number; readonly config: Readonly<Record<string, string>> }
const small: Scale = { fillerBytes: 40, config: smallSegments }
const large: Scale = { fillerBytes: 60_000, config: { 'segment.bytes': '300000' } }
const changeCount = 45
const keyCount = 12

type Found = { entries: [number, string][]; end: number }

const classAt = (i: number): CrashClass => crashClasses[i % crashClasses.length] as CrashClass

/** What the table holds after the first `count` changes. */
function stateAfter(count: number, scale: Scale): [number, string][] {
  const state = new Map<number, string>()
  for (let i = 0; i < count; i++) {
    const { key, value } = changeAt(i, scale)
    if (value === undefined) state.delete(key)
    else state.set(key, value)
  }
  return [...state].sort(([a], [b]) => a - b)
}

function changeAt(i: number, { fillerBytes }: Scale): { key: number; value: string | undefined } {
  const key = (i * 7) % keyCount
  return { key, value: i % 5 === 4 ? undefined : `${i}`.padEnd(20 + (i % 3) * fillerBytes, '.') }
}

/** Makes all changes, snapshots among them. Returns how many were acknowledged at each level. */
async function live(disk: SimFileSystem, scale: Scale): Promise<{ disk: number; os: number }> {
  const reached = { disk: 0, os: 0 }
  try {
    const { table } = await bareTable(disk, await openOn(disk, { config: scale.config }), spec)
    const start = table.log.endOffset
    for (let i = start; i < changeCount; i++) {
      const { key, value } = changeAt(i, scale)
      const level = i % 3 === 0 ? 'disk' : 'os'
      const change =
        value === undefined ? table.delete(key, { level }) : table.put(key, value, { level })
      const ack = await change
      reached.os = i + 1
      if (ack.level === 'disk') reached.disk = i + 1
      if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (i === 30) {
        // Changes go on while this one is written.
        table.snapshot().catch(() => {})
      }
    }
    await table.snapshot()
    reached.disk = changeCount
  } catch (error) {
    if (!isCrash(error)) throw error
  }
  return reached
}

function isCrash(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SimCrash) return true
  }
  return false
}

async function find(disk: SimFileSystem, scale: Scale): Promise<Found> {
  const { table } = await bareTable(disk, await openOn(disk, { config: scale.config }), spec)
  return { entries: [...table], end: table.log.endOffset }
}

async function operationsOfLife(scale: Scale): Promise<number> {
  const disk = simDisk()
  expect(await live(disk, scale)).toEqual({ disk: changeCount, os: changeCount })
  return disk.operationCount
}

it.each([
  { name: 'small values, every operation', scale: small, stride: 1 },
  { name: 'large values, every 11th', scale: large, stride: 11 },
])('loses nothing acknowledged, wherever a crash comes: $name', async ({ scale, stride }) => {
  const total = await operationsOfLife(scale)
  expect(total).toBeGreaterThan(150)
  let checks = 0
  for (let stop = 1; stop <= total; stop += stride) {
    const disk = simDisk(stop)
    disk.stopAt(stop)
    const reached = await live(disk, scale)
    for (const crash of ['process', classAt(stop), classAt(2 * stop + 1)] as const) {
      const found = crash === 'process' ? disk.processCrash() : disk.crash({ class: crash })
      const where = `operation ${stop}, ${crash}`
      const first = await find(found, scale)
      const least = crash === 'process' ? reached.os : reached.disk
      expect(first.end, where).toBeGreaterThanOrEqual(least)
      expect(first.entries, where).toEqual(stateAfter(first.end, scale))
      // Opened again, without and with another loss of power, it is the same.
      expect(await find(found.processCrash(), scale), where).toEqual(first)
      const second = await find(found.crash({ class: 'nothing-unsynced' }), scale)
      expect(second.end, where).toBeGreaterThanOrEqual(reached.disk)
      expect(second.entries, where).toEqual(stateAfter(second.end, scale))
      checks++
    }
  }
  console.log(`table crashes: ${checks} checks, ${total} operations`)
})

it('goes on after a crash in the middle of a snapshot', async () => {
  const scale = small
  const total = await operationsOfLife(scale)
  for (let stop = 20; stop <= total; stop += 13) {
    const disk = simDisk(stop)
    disk.stopAt(stop)
    await live(disk, scale)
    const next = disk.crash()
    expect(await live(next, scale)).toEqual({ disk: changeCount, os: expect.any(Number) })
    expect(await find(next.processCrash(), scale)).toEqual({
      entries: stateAfter(changeCount, scale),
      end: changeCount,
    })
  }
})
