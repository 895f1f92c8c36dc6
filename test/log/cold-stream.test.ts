/**
 * Goal: whoever iterates over what memory lacks waits for the disk between records, not in a call.
 * Method: a log of several chunks, opened again on a simulated disk whose loads end when told.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { ColdDisk } from '../support/cold-disk.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

let cold: ColdDisk | undefined

afterEach(() => {
  cold?.restore()
  cold = undefined
})

const count = 40

async function reopened(config: Record<string, string>) {
  const disk = simDisk()
  const store = await openOn(disk, { config })
  const log = await store.log('t')
  for (let i = 0; i < count; i++) {
    await log.append(Buffer.alloc(50_000, i), { level: 'os' })
  }
  await store.close()
  const again = await openOn(disk, { config })
  return { store: again, log: await again.log('t') }
}

describe('a stream over cold records', () => {
  it.each([
    ['one segment', {}],
    ['many', { 'segment.bytes': '300000' }],
  ])('gives all of them in order, with loads ahead of what is read, in %s', async (_, config) => {
    const { store, log } = await reopened(config)
    cold = new ColdDisk()
    let loads = 0
    const ticking = setInterval(() => {
      loads += cold!.loads
      cold!.answer()
    })
    const offsets: number[] = []
    for await (const record of log.read()) {
      expect(record.value![0]).toBe(offsets.length)
      offsets.push(record.offset)
    }
    clearInterval(ticking)
    expect(offsets).toEqual(Array.from({ length: count }, (_, i) => i))
    expect(loads).toBeGreaterThan(3)
    await store.close()
  })

  it('ends with an error when the log is closed while it waits', async () => {
    const { store, log } = await reopened({})
    cold = new ColdDisk()
    const stream = log.read()
    const first = stream.next()
    expect(cold.loads).toBe(1)
    const closed = store.close()
    cold.answer()
    expect((await first).value?.offset).toBe(0)
    await closed
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toThrow('closed')
  })
})
