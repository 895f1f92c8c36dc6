/**
 * Goal: a repair says first and does on request; it keeps every whole batch under its offset, puts
 * what it takes out aside, and may be cut off anywhere. What it does to each single damaged byte is
 * test/crash/damage.test.ts.
 */
import { describe, expect, it } from 'vitest'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { AtomicTransaction } from '../../src/store/atomic-group.ts'
import { repairStore } from '../../src/store/repair-store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { batchPositions, filesBelow, readFile, writeFile } from '../support/damaged-disk.ts'
import { appendClient, clientBatch, dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { contentOf, makeSmallStore, openSmall } from '../support/small-store.ts'

const first = '/data/p-0/00000000000000000000.log'
const middle = '/data/p-0/00000000000000000003.log'
const last = '/data/p-0/00000000000000000006.log'
const packed = '/data/z-0/00000000000000000000.log'
const table = '/data/__stratalog-0/00000000000000000000.log'

const repair = (disk: SimFileSystem, apply = true) =>
  repairStore(dataPath, { fileSystem: disk, apply })

/** Content of each log after the store was opened, as offset → value. */
async function contents(disk: SimFileSystem): Promise<Record<string, Record<number, string>>> {
  const store = await openSmall(disk)
  const found: Record<string, Record<number, string>> = {}
  for (const topic of store.topics())
    found[topic.name] = Object.fromEntries(contentOf(topic.log(0)))
  await store.close()
  return found
}

const whole = {
  p: { 0: 'p0', 1: 'p1', 2: 'p2', 3: 'p3', 4: 'p4', 5: 'p5', 6: 'p6' },
  z: { 0: 'zzzzzz0', 1: 'zzzzzz1', 2: 'zzzzzz2' },
  s: { 1: 's1', 2: 's2' },
}

describe('a repair', () => {
  it('has nothing to do for a whole store', async () => {
    const { disk } = await makeSmallStore(true)
    const before = filesBelow(disk, dataPath)
    const report = await repair(disk)
    expect(report).toEqual({ isApplied: true, findings: [], actions: [], lost: [], remaining: [] })
    expect(filesBelow(disk, dataPath)).toEqual(before)
  })

  it('only says what it would do unless it is told to', async () => {
    const { disk } = await makeSmallStore(true)
    disk.flipBits(first, 65, 1)
    disk.flipBits('/data/meta.properties', 3, 0xff)
    disk.remove('/data/z-0/00000000000000000000.index')
    const before = filesBelow(disk, dataPath)
    const planned = await repair(disk, false)
    expect(filesBelow(disk, dataPath)).toEqual(before)
    expect(planned).toMatchObject({ isApplied: false, remaining: [] })
    expect(planned.lost).toEqual([{ log: 'p-0', from: 0, to: 2 }])
    const done = await repair(disk)
    expect(done.actions).toEqual(planned.actions)
    expect(done.remaining).toEqual([])
  })

  it('leaves a hole in the middle, keeps the bytes aside and every other record in place', async () => {
    const { disk } = await makeSmallStore(true)
    const bytes = readFile(disk, first)
    const [, second] = batchPositions(bytes) as [number, number]
    disk.flipBits(first, 65, 1)
    const report = await repair(disk)
    expect(report.lost).toEqual([{ log: 'p-0', from: 0, to: 2 }])
    const side = `${first}.0.damaged`
    expect(report.actions[0]?.sideFiles).toEqual([side])
    bytes.writeUInt8(bytes.readUInt8(65) ^ 1, 65)
    expect(readFile(disk, side)).toEqual(bytes.subarray(0, second))
    expect(readFile(disk, first)).toEqual(bytes.subarray(second))
    const { 0: _, 1: __, ...p } = whole.p
    expect(await contents(disk)).toEqual({ ...whole, p })
    expect((await verifyStore(dataPath, { fileSystem: disk })).findings).toEqual([])
  })

  it('goes on behind records lost at the end: no offset is given out twice', async () => {
    const { disk } = await makeSmallStore(true)
    disk.flipBits(last, 65, 1)
    const report = await repair(disk)
    expect(report.lost).toEqual([{ log: 'p-0', from: 6, to: 7 }])
    const store = await openSmall(disk)
    expect(store.wasClean).toBe(true)
    const log = await store.log('p')
    expect((await log.append('p7')).offset).toBe(7)
    expect(contentOf(log).get(6)).toBeUndefined()
    await store.close()
    expect((await verifyStore(dataPath, { fileSystem: disk })).isWhole).toBe(true)
  })

  it('corrects a header outside the checksum and loses nothing', async () => {
    const { disk } = await makeSmallStore(true)
    const before = filesBelow(disk, dataPath)
    // Offset, length, leader epoch, format version: one of each.
    disk.flipBits(first, 7, 0x20)
    disk.flipBits(middle, 10, 0x40)
    disk.flipBits(last, 14, 1)
    disk.flipBits(packed, 16, 1)
    const report = await repair(disk)
    expect(report.lost).toEqual([])
    expect(report.findings.map(({ kind }) => kind)).toEqual(Array(4).fill('header'))
    for (const [path, bytes] of before) {
      // An index that goes with the log's last segment has its interval from the defaults.
      if (path.endsWith('.log')) expect(readFile(disk, path), path).toEqual(bytes)
    }
    expect(await contents(disk)).toEqual(whole)
  })

  it('stands in for lost records of the store’s own table with what cannot clash', async () => {
    const { disk } = await makeSmallStore(true)
    for (const position of batchPositions(readFile(disk, table))) {
      disk.flipBits(table, position + 65, 1)
    }
    const report = await repair(disk)
    expect(report.remaining).toEqual([])
    const store = await openSmall(disk)
    // The largest epoch of any batch was 1, the largest producer id 7.
    expect(store.leaderEpoch).toBeGreaterThan(1)
    expect(await store.allocateProducerId()).toBeGreaterThan(7)
    for (const [name, records] of Object.entries(whole)) {
      expect(Object.fromEntries(contentOf(await store.log(name)))).toEqual(records)
    }
    await store.close()
  })

  it('writes back the journal of a store that its damage keeps from opening', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('t')
    await log.append('old')
    await store.checkpoint()
    await log.append('only in the journal')
    // A power cut: what was synced through the journal stands nowhere else.
    const cut = disk.crash({ class: 'nothing-unsynced' })
    cut.flipBits(table, 65, 1)
    await expect(openOn(cut)).rejects.toMatchObject({ code: 'ERR_LOG_CORRUPT' })
    const again = disk.crash({ class: 'nothing-unsynced' })
    again.flipBits(table, 65, 1)
    const report = await repair(again)
    expect(report.actions[0]?.message).toContain('journal')
    expect(report.remaining).toEqual([])
    const reopened = await openOn(again)
    expect([...contentOf(await reopened.log('t')).values()]).toEqual(['old', 'only in the journal'])
  })

  it('leaves a torn tail behind the recovery point to the next open', async () => {
    const { disk } = await makeSmallStore(false)
    const bytes = readFile(disk, last)
    disk.flipBits(first, 65, 1)
    writeFile(disk, last, bytes.subarray(0, bytes.length - 5))
    const report = await repair(disk)
    expect(report.lost).toEqual([{ log: 'p-0', from: 0, to: 2 }])
    expect(readFile(disk, last)).toEqual(bytes.subarray(0, bytes.length - 5))
    const { p } = await contents(disk)
    expect(p).toEqual({ 2: 'p2', 3: 'p3', 4: 'p4', 5: 'p5', 6: 'p6' })
  })

  it('does not take a batch inside a value for one of the log', async () => {
    const disk = simDisk()
    const store = await openSmall(disk)
    const log = await store.log('t')
    const inner = Array.from({ length: 3 }, (_, i) => {
      const batch = clientBatch([`forged ${i}`])
      batch.writeBigInt64BE(BigInt(i), 0)
      return batch
    })
    await log.append([{ value: Buffer.concat(inner) }])
    for (const value of ['one', 'two']) appendClient(log, clientBatch([value]))
    await store.close()
    const path = '/data/t-0/00000000000000000000.log'
    // The whole header is gone, so that the length says nothing.
    const bytes = readFile(disk, path)
    writeFile(disk, path, Buffer.concat([Buffer.alloc(61), bytes.subarray(61)]))
    const report = await repair(disk)
    expect(report.lost).toEqual([{ log: 't-0', from: 0, to: 1 }])
    expect(await contents(disk)).toEqual({ t: { 1: 'one', 2: 'two' } })
  })

  it('refuses a directory that is in use', async () => {
    const { disk } = await makeSmallStore(true)
    const store = await openSmall(disk)
    await expect(repair(disk)).rejects.toMatchObject({ code: 'ERR_STORE_LOCKED' })
    await store.close()
  })
})

describe('a repair after groups over several logs', () => {
  async function opened(disk: SimFileSystem) {
    const store = await openOn(disk)
    return { store, a: await store.log('a'), b: await store.log('b') }
  }

  /** Stopped at the operation; undefined when all was done before. */
  async function killedAt(operation: number): Promise<SimFileSystem | undefined> {
    const disk = simDisk()
    const before = await opened(disk)
    await before.a.append('single')
    await before.b.append('single')
    // Of a journal that is gone: it could bring back what is damaged below.
    await before.store.close()
    const { store, a, b } = await opened(disk)
    disk.stopAt(disk.operationCount + operation)
    try {
      for (const n of [1, 2]) {
        const collect = (tx: AtomicTransaction): void => {
          tx.append(a, `${n}`)
          tx.append(b, `${n}`)
        }
        await store.atomic(collect, { level: 'os' })
        // A socket wants them from the files, which else get them when their frame is durable.
        for (const log of [a, b]) {
          log.readSlice(n, 1000, { upTo: log.endOffset, minOneBatch: true })?.release()
        }
        await store.flush()
      }
      return undefined
    } catch {
      return disk
    }
  }

  it('keeps each as a whole or not at all, although their frames are gone then', async () => {
    let [whole, torn] = [0, 0]
    for (let operation = 1; ; operation++) {
      const killed = await killedAt(operation)
      if (killed === undefined) break
      // A frame is written before what it describes: only a power cut loses the frame alone.
      const cuts = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
        killed.crash({ class: 'random-pages', seed }),
      )
      for (const disk of [killed.processCrash(), ...cuts]) {
        disk.flipBits('/data/a-0/00000000000000000000.log', 65, 1)
        const { findings } = await verifyStore(dataPath, { fileSystem: disk })
        if (findings.some(({ message }) => message.includes('part of a group'))) torn++
        const { remaining, lost } = await repair(disk)
        expect(remaining).toEqual([])
        expect(lost).toEqual([{ log: 'a-0', from: 0, to: 1 }])
        const { a, b } = await opened(disk)
        const [ofA, ofB] = [contentOf(a), contentOf(b)]
        ofB.delete(0)
        expect([...ofA], `stopped at ${operation}`).toEqual([...ofB])
        whole += ofA.size
      }
    }
    expect(whole).toBeGreaterThan(2)
    expect(torn).toBeGreaterThan(2)
  })
})

describe('a repair that is cut off', () => {
  async function damaged(isClean: boolean): Promise<SimFileSystem> {
    const { disk } = await makeSmallStore(isClean)
    disk.flipBits(first, 65, 1) // a batch in the middle
    disk.flipBits(middle, 7, 0x20) // a header
    writeFile(disk, last, readFile(disk, last).subarray(0, 30)) // the end
    disk.flipBits(packed, 40, 1)
    disk.flipBits(table, 65, 1)
    disk.flipBits('/data/p-0/leader-epoch-checkpoint', 0, 1)
    disk.flipBits('/data/p-0/00000000000000000005.snapshot', 30, 1)
    disk.flipBits('/data/s-0/partition.metadata', 25, 0x80)
    disk.flipBits('/data/log-start-offset-checkpoint', 0, 1)
    disk.flipBits('/data/meta.properties', 3, 0xff)
    return disk.processCrash()
  }

  it.each([true, false])(
    'is done by the next one, and loses no more (clean stop: %s)',
    async (isClean) => {
      const start = await damaged(isClean)
      const straight = start.processCrash()
      const { lost, remaining } = await repair(straight)
      expect(remaining).toEqual([])
      // Of the table's own log: none of it is a record of a user.
      const userLost = lost.filter(({ log }) => !log.startsWith('__'))
      expect(userLost).toEqual([
        { log: 'p-0', from: 0, to: 2 },
        { log: 'p-0', from: 6, to: 7 },
        { log: 'z-0', from: 0, to: 2 },
      ])
      const wanted = await contents(straight)
      const operations = straight.operationCount - start.operationCount
      let cuts = 0
      for (let at = 1; at <= operations; at++) {
        const disk = start.processCrash()
        disk.stopAt(disk.operationCount + at)
        try {
          await repair(disk)
          break
        } catch (error) {
          if (!(error instanceof SimCrash)) throw error
        }
        cuts++
        for (const afterCut of [
          disk.processCrash(),
          disk.crash({ class: 'nothing-unsynced' }),
          disk.crash({ class: crashClasses[at % crashClasses.length] as never }),
        ]) {
          const again = await repair(afterCut)
          expect(again.remaining, `cut at ${at}`).toEqual([])
          expect(await contents(afterCut), `cut at ${at}`).toEqual(wanted)
        }
      }
      expect(cuts).toBeGreaterThan(40)
    },
  )
})
